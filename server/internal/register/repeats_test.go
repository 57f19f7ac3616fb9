package register

import (
	"fmt"
	"testing"
)

// write is a report of a session; repeat repeats a report of another session.
func write(writer, v int64) Change {
	return Change{Value: v, SetValue: true, Writer: writer, Seen: seen(1)}
}

func repeat(writer, v int64, of Session) Change {
	c := write(writer, v)
	c.Repeats = &of
	return c
}

// registers means that a session is registered, and learns the revision.
var registers = Change{Seen: seen(1)}

// TestRepeats has sessions 10, 20 … of one client write, and repeat writes of others.
func TestRepeats(t *testing.T) {
	tests := []struct {
		name    string
		changes []Change
		want    Record // Number and Seen are the same of all
	}{
		{"writes", []Change{write(10, 5), write(10, 6), write(20, 4)}, Record{Value: 4, Revision: 3, Writer: 20}},
		{"a number is no write", []Change{write(10, 5), {Number: 1, SetNumber: true}}, Record{Value: 5, Revision: 1, Writer: 10}},
		{"of what arrived", []Change{write(10, 5), repeat(20, 5, Session{10, 0})}, Record{Value: 5, Revision: 2, Writer: 20}},
		{"of what did not arrive", []Change{write(10, 5), repeat(20, 6, Session{10, 0})}, Record{Value: 6, Revision: 2, Writer: 20}},
		{"of a session that never wrote", []Change{write(10, 5), registers, repeat(30, 6, Session{20, 1})}, Record{Value: 6, Revision: 2, Writer: 30}},
		{"of the first write of all", []Change{repeat(20, 6, Session{10, 0})}, Record{Value: 6, Revision: 1, Writer: 20}},
		{"after a loss of all data", []Change{repeat(20, 6, Session{10, 7})}, Record{Value: 6, Revision: 1, Writer: 20}},
		{"after another's write", []Change{write(10, 12), write(20, 42), repeat(30, 12, Session{10, 0})}, Record{Value: 42, Revision: 2, Writer: 20}},
		{"after another's smaller write", []Change{write(10, 12), write(20, 2), repeat(30, 12, Session{10, 0})}, Record{Value: 2, Revision: 2, Writer: 20}},
		{"by a session that began before another's write", []Change{write(40, 12), registers, write(20, 42), repeat(30, 13, Session{10, 1})}, Record{Value: 42, Revision: 2, Writer: 20}},
		{"two of one session", []Change{write(10, 5), repeat(20, 6, Session{10, 0}), repeat(20, 7, Session{10, 0})}, Record{Value: 7, Revision: 3, Writer: 20}},
		{"two, the latter after another's write", []Change{write(10, 5), repeat(20, 6, Session{10, 0}), write(30, 1), repeat(20, 7, Session{10, 0})}, Record{Value: 1, Revision: 3, Writer: 30}},
		{"of a repeat", []Change{write(10, 5), repeat(20, 6, Session{10, 0}), repeat(30, 6, Session{20, 1})}, Record{Value: 6, Revision: 3, Writer: 30}},
		{"of a repeat that did not arrive", []Change{write(10, 5), repeat(30, 6, Session{20, 1})}, Record{Value: 6, Revision: 2, Writer: 30}},
		{"by two sessions, the first wins", []Change{write(10, 5), repeat(20, 6, Session{10, 0}), repeat(30, 5, Session{10, 0})}, Record{Value: 6, Revision: 2, Writer: 20}},
		{"and a new one", []Change{write(10, 5), repeat(20, 6, Session{10, 0}), write(20, 7)}, Record{Value: 7, Revision: 3, Writer: 20}},
		{"refused, and a new one", []Change{write(10, 5), write(30, 9), repeat(20, 6, Session{10, 0}), write(20, 7)}, Record{Value: 7, Revision: 3, Writer: 20}},
		{"after another's, which was the next", []Change{write(10, 5), write(20, 9), write(20, 10), repeat(30, 6, Session{10, 0}), repeat(40, 10, Session{20, 1})}, Record{Value: 10, Revision: 4, Writer: 40}},
	}
	for _, kind := range kinds {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/together=%v", kind.name, together), func(t *testing.T) {
				open := kind.opener(t)
				s := open()
				var last *Commit
				for i, test := range tests {
					id := int32(i)
					register(t, s, id, at(0))
					for _, change := range test.changes {
						last = s.Save(id, change)
						if !together || change == registers {
							isDurable(t, last)
						}
					}
				}
				isDurable(t, last)
				check := func(what string) {
					t.Helper()
					for i, c := range list(t, s, -1, len(tests)) {
						test := tests[i]
						got := Record{Value: c.Value, Revision: c.Revision, Writer: c.Writer}
						if together { // writes may have been merged
							got.Revision, test.want.Revision = min(got.Revision, 1), 1
						}
						if got != test.want {
							t.Errorf("%s%s: %+v, want %+v", test.name, what, got, test.want)
						}
					}
				}
				check("")
				r, _ := register(t, s, 0, at(0))
				if r.Writer != 20 || r.Revision < 1 {
					t.Errorf("Register = %+v, want the revision and the writer", r)
				}
				if kind.durable {
					s.Close()
					s = open()
					check(", opened again")
				}
			})
		}
	}
}

package register

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// kinds are the stores that the suite tests. open opens the same store each time it is
// called.
var kinds = []struct {
	name    string
	durable bool // outlives Close
	opener  func(tb testing.TB) (open func() Store)
}{
	{name: "memory", opener: func(testing.TB) func() Store {
		return func() Store { return NewMemory() }
	}},
	{name: "sqlite", durable: true, opener: func(tb testing.TB) func() Store {
		path := filepath.Join(tb.TempDir(), "numbers.db")
		return func() Store { return openSQLite(tb, path) }
	}},
	{name: "redis", durable: true, opener: func(tb testing.TB) func() Store {
		url := newRedisURL(tb)
		return func() Store { return openRedis(tb, url) }
	}},
}

// eachKind runs a test against every store.
func eachKind(t *testing.T, test func(t *testing.T, s Store)) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) { test(t, kind.opener(t)()) })
	}
}

// at returns a time that every store keeps without rounding.
func at(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 567891000, time.UTC) }

// seen returns the Seen of a client that used gRPC.
func seen(second int) Seen { return SeenAt(GRPC, at(second)) }

func register(tb testing.TB, s Store, id int32, now time.Time) (Record, bool) {
	tb.Helper()
	return registerAt(tb, s, id, GRPC, now)
}

func registerAt(tb testing.TB, s Store, id int32, door Door, now time.Time) (Record, bool) {
	tb.Helper()
	r, returning, err := s.Register(tb.Context(), id, door, now)
	if err != nil {
		tb.Fatalf("Register(%d): %v", id, err)
	}
	return r, returning
}

func isDurable(tb testing.TB, c *Commit) {
	tb.Helper()
	select {
	case <-c.Done():
		if err := c.Err(); err != nil {
			tb.Fatalf("commit failed: %v", err)
		}
	case <-time.After(10 * time.Second):
		tb.Fatal("not durable after 10 s")
	}
}

func list(tb testing.TB, s Store, after int32, limit int) []Client {
	tb.Helper()
	clients, err := s.List(tb.Context(), after, limit)
	if err != nil {
		tb.Fatalf("List(%d, %d): %v", after, limit, err)
	}
	return clients
}

// equal compares the fields of a record that its client knows. TestRepeats tests the others.
func equal(tb testing.TB, what string, got, want Record) {
	tb.Helper()
	got.Revision, got.Writer, want.Revision, want.Writer = 0, 0, 0, 0
	if got != want {
		tb.Errorf("%s = %+v, want %+v", what, got, want)
	}
}

func value(v int64, second int) Change { return Change{Value: v, SetValue: true, Seen: seen(second)} }

func number(n int32, second int) Change {
	return Change{Number: n, SetNumber: true, Seen: seen(second)}
}

func TestRegister(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		r, returning := register(t, s, 7, at(1))
		equal(t, "a new client", r, Record{Number: 1, Seen: seen(1)})
		if returning {
			t.Error("a new client is returning")
		}
		r, returning = register(t, s, 7, at(2))
		equal(t, "the client again", r, Record{Number: 1, Seen: seen(2)})
		if !returning {
			t.Error("the client is not returning")
		}
	})
}

func TestSave(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		register(t, s, 7, at(0))
		for _, test := range []struct {
			change Change
			want   Record
		}{
			{value(12, 1), Record{Number: 1, Value: 12, Seen: seen(1)}},
			{number(48, 2), Record{Number: 48, Value: 12, Seen: seen(2)}},
			{value(math.MaxInt64, 3), Record{Number: 48, Value: math.MaxInt64, Seen: seen(3)}},
			{value(math.MinInt64, 4), Record{Number: 48, Value: math.MinInt64, Seen: seen(4)}},
			{value(0, 3), Record{Number: 48, Value: 0, Seen: seen(4)}}, // seen never goes back
			{number(0, 5), Record{Number: 0, Value: 0, Seen: seen(5)}},
			{Change{Seen: seen(6)}, Record{Number: 0, Value: 0, Seen: seen(6)}},
			{Change{Value: 3, SetValue: true, Number: 4, SetNumber: true, Seen: seen(7)}, Record{Number: 4, Value: 3, Seen: seen(7)}},
		} {
			isDurable(t, s.Save(7, test.change))
			equal(t, fmt.Sprintf("after %+v: List", test.change), list(t, s, -1, 10)[0].Record, test.want)
			r, _ := register(t, s, 7, at(0))
			equal(t, fmt.Sprintf("after %+v: Register", test.change), r, test.want)
		}
	})
}

// TestDoors has clients use both doors.
func TestDoors(t *testing.T) {
	const never = 0
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			open := kind.opener(t)
			s := open()
			registerAt(t, s, 7, GRPC, at(1))
			registerAt(t, s, 8, Legacy, at(1))
			for _, test := range []struct {
				what   string
				change Change
				want   Seen
			}{
				{"nothing new", Change{}, Seen{at(1).UnixMicro(), never}},
				{"the other door", Change{Seen: SeenAt(Legacy, at(5))}, Seen{at(1).UnixMicro(), at(5).UnixMicro()}},
				{"the first again, later than it but before the other", Change{Seen: SeenAt(GRPC, at(3))}, Seen{at(3).UnixMicro(), at(5).UnixMicro()}},
				{"the first, before its time", Change{Seen: SeenAt(GRPC, at(2))}, Seen{at(3).UnixMicro(), at(5).UnixMicro()}},
				{"the other, before its time", Change{Seen: SeenAt(Legacy, at(4))}, Seen{at(3).UnixMicro(), at(5).UnixMicro()}},
				{"both", Change{Seen: Seen{at(6).UnixMicro(), at(7).UnixMicro()}}, Seen{at(6).UnixMicro(), at(7).UnixMicro()}},
			} {
				isDurable(t, s.Save(7, test.change))
				equal(t, test.what, list(t, s, 6, 1)[0].Record, Record{Number: 1, Seen: test.want})
			}
			// Two changes that are written together.
			s.Save(7, Change{Seen: SeenAt(Legacy, at(9))})
			isDurable(t, s.Save(7, Change{Seen: SeenAt(GRPC, at(8))}))
			r, _ := registerAt(t, s, 7, Legacy, at(2))
			equal(t, "Register", r, Record{Number: 1, Seen: Seen{at(8).UnixMicro(), at(9).UnixMicro()}})
			if kind.durable {
				s.Close()
				s = open()
			}
			page := list(t, s, -1, 10)
			equal(t, "in the end, client 7", page[0].Record, Record{Number: 1, Seen: Seen{at(8).UnixMicro(), at(9).UnixMicro()}})
			equal(t, "in the end, client 8", page[1].Record, Record{Number: 1, Seen: Seen{never, at(1).UnixMicro()}})
		})
	}
}

func TestChangesAreSeenBeforeTheyAreDurable(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		register(t, s, 7, at(0))
		s.Save(7, value(1, 1))
		s.Save(7, number(2, 2))
		equal(t, "List", list(t, s, -1, 10)[0].Record, Record{Number: 2, Value: 1, Seen: seen(2)})
		s.Save(7, value(3, 3))
		r, _ := register(t, s, 7, at(0))
		equal(t, "Register", r, Record{Number: 2, Value: 3, Seen: seen(3)})
	})
}

func TestLastSaveWins(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			open := kind.opener(t)
			s := open()
			register(t, s, 7, at(0))
			var last *Commit
			commits := map[*Commit]bool{}
			for v := range int64(20000) {
				last = s.Save(7, value(v, 1))
				commits[last] = true
			}
			isDurable(t, last)
			if len(commits) > 2000 {
				t.Errorf("20000 changes in %d commits: they are not grouped", len(commits))
			}
			for c := range commits {
				if !isDone(c) {
					t.Error("an earlier commit is not done when a later one is")
				}
			}
			if kind.durable {
				s.Close()
				s = open()
			}
			equal(t, "List", list(t, s, -1, 10)[0].Record, Record{Number: 1, Value: 19999, Seen: seen(1)})
		})
	}
}

func TestList(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		if page := list(t, s, -1, 10); len(page) != 0 {
			t.Errorf("List of an empty store = %v", page)
		}
		ids := []int32{0, 9, 10, 11, 100, 1000, 9999, 10000, math.MaxInt32}
		shuffled := []int32{100, 9, 10000, math.MaxInt32, 0, 11, 10, 9999, 1000}
		for _, id := range shuffled {
			register(t, s, id, at(0))
			s.Save(id, value(int64(id), 1))
		}
		for _, limit := range []int{1, 2, 8, 9, 10} {
			var got []int32
			after := int32(-1)
			for {
				page := list(t, s, after, limit)
				for _, c := range page {
					got = append(got, c.ID)
					equal(t, fmt.Sprint(c.ID), c.Record, Record{Number: 1, Value: int64(c.ID), Seen: seen(1)})
				}
				if len(page) < limit {
					break
				}
				after = page[len(page)-1].ID
			}
			if !slices.Equal(got, ids) {
				t.Errorf("pages of %d: %v, want %v", limit, got, ids)
			}
		}
		// A client that comes between two pages moves none of the others.
		page := list(t, s, -1, 3)
		register(t, s, 5, at(0))
		if next := list(t, s, page[2].ID, 3); next[0].ID != 11 {
			t.Errorf("the next page begins with %d, want 11", next[0].ID)
		}
	})
}

func TestSessions(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		open := func(id int32) int32 { return list(t, s, id-1, 1)[0].Sessions }
		register(t, s, 7, at(0))
		register(t, s, 8, at(0))
		if n := s.Enter(7); n != 1 {
			t.Errorf("Enter = %d, want 1", n)
		}
		if n := s.Enter(7); n != 2 {
			t.Errorf("Enter = %d, want 2", n)
		}
		s.Enter(8)
		if open(7) != 2 || open(8) != 1 {
			t.Errorf("sessions of 7 and 8: %d and %d, want 2 and 1", open(7), open(8))
		}
		s.Leave(7)
		s.Leave(8)
		if open(7) != 1 || open(8) != 0 {
			t.Errorf("sessions of 7 and 8: %d and %d, want 1 and 0", open(7), open(8))
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	const clients, changes = 64, 200
	eachKind(t, func(t *testing.T, s Store) {
		var wg sync.WaitGroup
		for id := range int32(clients) {
			wg.Go(func() {
				s.Enter(id)
				defer s.Leave(id)
				if _, _, err := s.Register(t.Context(), id, GRPC, at(0)); err != nil {
					t.Error(err)
					return
				}
				var commit *Commit
				for v := range int64(changes) {
					commit = s.Save(id, value(v+1, 1))
					s.Save(clients, value(v, 1)) // one that all share
				}
				if _, err := s.List(t.Context(), id, 5); err != nil {
					t.Error(err)
				}
				<-commit.Done()
				if r, returning, err := s.Register(t.Context(), id, GRPC, at(0)); r.Value != changes || !returning || err != nil {
					t.Errorf("Register(%d) = %+v, %v, %v, want value %d", id, r, returning, err, changes)
				}
			})
		}
		register(t, s, clients, at(0))
		wg.Wait()
	})
}

func TestOneOfManyMakesTheClient(t *testing.T) {
	eachKind(t, func(t *testing.T, s Store) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 16 {
			wg.Go(func() {
				_, returning, err := s.Register(t.Context(), 7, GRPC, at(0))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if !returning {
					made++
				}
			})
		}
		wg.Wait()
		if made != 1 {
			t.Errorf("%d of 16 calls made the client, want 1", made)
		}
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	const clients = 2*groupRecords + 100 // more than one transaction or pipeline
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			open := kind.opener(t)
			s := open()
			var commit *Commit
			for id := range int32(clients) {
				commit = s.Save(id, Change{Value: int64(id), SetValue: true, Number: 2, SetNumber: true, Seen: seen(0)})
			}
			isDurable(t, commit)
			if kind.durable {
				s.Close()
				s = open()
			}
			page := list(t, s, -1, clients+1)
			if len(page) != clients {
				t.Fatalf("%d clients, want %d", len(page), clients)
			}
			for i, c := range page {
				if int(c.ID) != i || c.Value != int64(i) {
					t.Fatalf("client %d is %+v", i, c)
				}
			}
		})
	}
}

func TestClose(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			open := kind.opener(t)
			s := open()
			register(t, s, 7, at(0))
			s.Enter(7)
			commit := s.Save(7, value(12, 1))
			if err := s.Health(); err != nil {
				t.Errorf("Health() = %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatalf("Close() = %v", err)
			}
			isDurable(t, commit)
			if late := s.Save(7, value(13, 1)); !isDone(late) || !errors.Is(late.Err(), ErrUnavailable) {
				t.Errorf("Save after Close: done %v, want %v", isDone(late), ErrUnavailable)
			}
			if _, _, err := s.Register(t.Context(), 7, GRPC, at(2)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Register after Close: %v, want %v", err, ErrUnavailable)
			}
			s.Enter(7)
			s.Leave(7)
			if err := s.Close(); err != nil {
				t.Errorf("second Close() = %v", err)
			}
			if kind.durable {
				s := open()
				want := Client{ID: 7, Record: Record{Number: 1, Value: 12, Seen: seen(1)}}
				got := list(t, s, -1, 10)
				if len(got) != 1 || got[0].ID != want.ID || got[0].Sessions != 0 {
					t.Fatalf("opened again, List = %+v, want %+v", got, want)
				}
				equal(t, "opened again, the record", got[0].Record, want.Record)
			}
		})
	}
}

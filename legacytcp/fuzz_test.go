package legacytcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzFrames checks the frame reader against a model, however its input is split,
// and that what is accepted is read again as the same from what it is written as.
func FuzzFrames(f *testing.F) {
	f.Add("3748 1 2 odd ", uint16(3))
	f.Add(" \r\n"+strings.Repeat("x", 63)+" even", uint16(64))
	f.Add(strings.Repeat("9", 64), uint16(1))
	for digits := 17; digits < 21; digits++ {
		nines := strings.Repeat("9", digits)
		f.Add(nines+" -"+nines+" +"+nines+" - + -0 +1-", uint16(64))
	}
	f.Fuzz(func(t *testing.T, s string, n uint16) {
		got, tooLong := frames(t, s, int(n)+1)
		want, wantTooLong := modelFrames(s)
		if !slices.Equal(got, want) || tooLong != wantTooLong {
			t.Fatalf("frames = %q, %v, want %q, %v", got, tooLong, want, wantTooLong)
		}
		for _, frame := range got {
			v, ok := parseValue([]byte(frame))
			if want, err := strconv.ParseInt(frame, 10, 64); ok != (err == nil) || ok && v != want {
				t.Fatalf("%q is the value %d, %v; want %d, %v", frame, v, ok, want, err)
			}
			kind, value := parseRequest([]byte(frame))
			if kind == requestBad {
				continue
			}
			again, _ := frames(t, string(appendRequest(nil, kind, value)), 1)
			if len(again) != 1 {
				t.Fatalf("%q is written as %q", frame, again)
			}
			if k, v := parseRequest([]byte(again[0])); k != kind || v != value {
				t.Fatalf("%q is read as %d, %d, and written and read as %d, %d", frame, kind, value, k, v)
			}
		}
	})
}

// modelFrames is the frame reader as one would write it without a buffer.
func modelFrames(s string) (all []string, tooLong bool) {
	for {
		s = strings.TrimLeft(s, " \r\n")
		i := strings.IndexAny(s, " \r\n")
		if i >= maxFrame || i < 0 && len(s) >= maxFrame {
			return all, true
		}
		if i < 0 {
			return all, false
		}
		all, s = append(all, s[:i]), s[i:]
	}
}

var numberStart = regexp.MustCompile(`^([0-9]{1,63}[ \r\n]|[0-9]{64})`)

// FuzzSniff checks that the dialect is what the specification says, and that no
// byte changes it once it is decided.
func FuzzSniff(f *testing.F) {
	f.Add("3748 1 ")
	f.Add("3748.pdf")
	f.Add(strings.Repeat("1", 65))
	f.Fuzz(func(t *testing.T, s string) {
		want := fileDialect
		switch {
		case numberStart.MatchString(s):
			want = numberDialect
		case strings.Trim(s, "0123456789") == "":
			want = undecided
		}
		got := sniff([]byte(s))
		if got != want {
			t.Fatalf("sniff(%q) = %d, want %d", s, got, want)
		}
		for i := range s {
			if d := sniff([]byte(s[:i])); d != undecided && d != got {
				t.Fatalf("sniff(%q) = %d, but %d for the first %d bytes", s, got, d, i)
			}
		}
	})
}

// FuzzNumbers plays a session of any bytes, split in any way. Every request must be answered
// in order, and nothing else.
func FuzzNumbers(f *testing.F) {
	f.Add("3748 1 2 odd ", uint16(5))
	f.Add("7\r\nodd even x odd"+strings.Repeat(" y", 16)+" odd ", uint16(1))
	f.Add("10001 odd ", uint16(100))
	f.Add("007", uint16(1))
	f.Fuzz(func(t *testing.T, s string, n uint16) {
		if s == "" || sniff([]byte(s)) == fileDialect {
			t.Skip("nothing, or not this dialect")
		}
		numbers := newStubNumbers()
		got, reason := converse(t, numbers, newStubFiles(), Both, s, int(n)+1)
		want, value, wantReason := modelSession(s, numbers.draws)
		if got != want || reason != wantReason {
			t.Fatalf("%q was answered by %q, %s, want %q, %s", s, got, reason, want, wantReason)
		}
		for _, r := range numbers.store.records {
			if r.value != value {
				t.Fatalf("%q left the value %d, want %d", s, r.value, value)
			}
		}
	})
}

// modelSession returns the answers to all that a client sends.
func modelSession(s string, draws []int32) (replies string, value int64, reason Reason) {
	all, tooLong := modelFrames(s)
	if len(all) == 0 && !tooLong {
		all = []string{s} // bare
	}
	reason = ReasonClient
	if tooLong {
		reason = ReasonFrameTooLong
	}
	if len(all) == 0 {
		return "", 0, reason
	}
	if id, err := strconv.Atoi(all[0]); err != nil || id > 10_000 {
		return "", 0, ReasonBadID
	}
	replies = "0 "
	bad := 0
	for _, frame := range all[1:] {
		kind, v := parseRequest([]byte(frame))
		switch kind {
		case requestReport:
			value = v
		case requestOdd, requestEven:
			replies += strconv.Itoa(int(draws[0])) + " "
			draws = append(slices.Clone(draws[1:]), draws[0])
		default:
			if bad++; bad == maxBadFrames {
				return replies, value, ReasonBadFrames
			}
		}
	}
	return replies, value, reason
}

// FuzzFiles sends any request, split in any way. The reply must be one of the possible ones,
// and the right one if the request is not split.
func FuzzFiles(f *testing.F) {
	for _, s := range []string{"list", "list ", "list\r\n", "a", "a b\n", "a\r\n", "\xff", " ", strings.Repeat("x", 1026)} {
		f.Add(s, uint16(2000))
		f.Add(s, uint16(1))
	}
	contents := map[string]string{"a": "1", "a b": "22", "list x": "", "b ": "333", strings.Repeat("x", 1024): "4444"}
	names := []string{"a", "a b", "list x", "b ", strings.Repeat("x", 1024)}
	pickle, err := pickleNames(names)
	if err != nil {
		f.Fatal(err)
	}
	lists := map[string]string{
		"list":     string(pickle),
		"list ":    string(joinNames(names, isUnreserved, ' ')),
		"list\n":   string(joinNames(names, isPrintable, '\n')),
		"list\r":   string(joinNames(names, isPrintable, '\n')),
		"list\r\n": string(joinNames(names, isPrintable, '\n')),
	}
	f.Fuzz(func(t *testing.T, s string, n uint16) {
		if s == "" {
			t.Skip("no request")
		}
		want, ok := lists[s]
		for _, name := range []string{strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r"), strings.TrimSuffix(s, "\n"), strings.TrimSuffix(s, " "), s} {
			if !ok {
				want, ok = contents[name]
			}
		}
		if !ok {
			want = DefaultNotFound
		}
		replies := []string{DefaultNotFound, want}
		for _, c := range contents {
			replies = append(replies, c)
		}
		for _, l := range lists {
			replies = append(replies, l)
		}
		doors := []Dialects{FilesOnly}
		if sniff([]byte(s)) == fileDialect {
			doors = append(doors, Both)
		}
		for _, door := range doors {
			files := newStubFiles()
			for _, name := range names {
				files.add(name, stubFile{data: []byte(contents[name])})
			}
			got, reason := converse(t, newStubNumbers(), files, door, s, int(n)+1)
			if reason != ReasonServed {
				t.Fatalf("door %d: %q ended in %s", door, s, reason)
			}
			if int(n) >= len(s) && got != want {
				t.Fatalf("door %d: %q was answered by %q, want %q", door, s, got, want)
			}
			if !slices.Contains(replies, got) {
				t.Fatalf("door %d: %q was answered by %q", door, s, got)
			}
		}
	})
}

// converse serves a client that sends s in segments of n bytes, and EOF. It returns what the
// gateway sent and its reason to close.
func converse(t *testing.T, numbers *stubNumbers, files *stubFiles, d Dialects, s string, n int) (string, Reason) {
	t.Helper()
	m := newCounts()
	cfg := Config{Metrics: m}
	cfg.Numbers, cfg.Files = inProcess(t, numbers, files)
	g := New(cfg)
	nc := &memoryConn{in: s, segment: n}
	g.accept(nc, d)
	var reason Reason
	m.until(t, func() error {
		for reason = range m.closed {
			return nil
		}
		return errors.New("the connection was not closed")
	})
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return nc.out.String(), reason
}

// memoryConn is a connection whose client has sent everything, with EOF.
type memoryConn struct {
	in      string
	segment int // maximum size of a Read, in bytes
	out     bytes.Buffer
}

func (c *memoryConn) Read(p []byte) (int, error) {
	if c.in == "" {
		return 0, io.EOF
	}
	n := copy(p, c.in[:min(len(c.in), c.segment)])
	c.in = c.in[n:]
	return n, nil
}

func (c *memoryConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzPickle encodes and decodes any names.
func FuzzPickle(f *testing.F) {
	f.Add("f32\x00f1m\x00größe\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		names := strings.Split(s, "\x00")
		pickle, err := pickleNames(names)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpickleNames(pickle)
		if want := strings.Split(strings.ToValidUTF8(s, "\uFFFD"), "\x00"); err != nil || len(got) != len(want) {
			t.Fatalf("%q became %q and %v", names, got, err)
		}
		for i := range names {
			if want := strings.ToValidUTF8(names[i], "\uFFFD"); got[i] != want {
				t.Fatalf("%q became %q", names[i], got[i])
			}
		}
	})
}

// FuzzUnpickle decodes anything that a server may send.
func FuzzUnpickle(f *testing.F) {
	for _, s := range []string{"\x80\x03(X\x01\x00\x00\x00al.", "\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x01a\x94e.", "(lp0\nVa\np1\na.", "]q\x00(U\x01ae."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		names, err := unpickleNames(pickle)
		if err != nil && names != nil {
			t.Fatalf("unpickleNames(%q) = %q and %v", pickle, names, err)
		}
	})
}

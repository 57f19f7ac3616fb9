package bench

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/parity/internal/tcptest"
)

// stubLegacy speaks the original number protocol, with the faults that a test sets.
type stubLegacy struct {
	refuse map[string]bool                // IDs that are not let in
	reply  func(word string) string       // answers "odd" and "even"; nil: as it should
	keep   func(value int64) (kept int64) // of a reported value; nil: that
	limit  func(words int) (hangUp bool)  // after so many words on a connection; nil: never

	mu     sync.Mutex
	values map[string]int64 // by ID
}

func (s *stubLegacy) serve(nc *net.TCPConn) {
	buf := make([]byte, 64)
	n, err := nc.Read(buf)
	if err != nil {
		return
	}
	id := string(buf[:n])
	if s.refuse[id] {
		return
	}
	s.mu.Lock()
	last := s.values[id]
	s.mu.Unlock()
	out := strconv.FormatInt(last, 10) + " "
	var in []byte
	for words := 0; ; {
		if _, err := io.WriteString(nc, out); err != nil {
			return
		}
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		in, out = append(in, buf[:n]...), ""
		for {
			word, rest, ok := bytes.Cut(in, []byte(" "))
			if !ok {
				break
			}
			out += s.handle(id, string(word))
			in = rest
			if words++; s.limit != nil && s.limit(words) {
				return
			}
		}
	}
}

func (s *stubLegacy) handle(id, word string) (reply string) {
	value, err := strconv.ParseInt(word, 10, 64)
	switch {
	case err == nil:
		if s.keep != nil {
			value = s.keep(value)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.values == nil {
			s.values = make(map[string]int64)
		}
		s.values[id] = value
		return ""
	case s.reply != nil:
		return s.reply(word)
	}
	return rightReply(word)
}

func rightReply(word string) string {
	if word == "odd" {
		return "57 "
	}
	return "42 "
}

func TestLegacyDraw(t *testing.T) {
	wantClean(t, runUntil(t, 100, 0, 4, &LegacyDraw{Addr: tcptest.Serve(t, new(stubLegacy).serve)}))
}

func TestLegacyDrawCountsWrongReplies(t *testing.T) {
	always := func(reply string) func(string) string { return func(string) string { return reply } }
	for says, reply := range map[string]func(word string) string{
		"asked for PARITY_ODD, got 42":  always("42 "),
		"asked for PARITY_EVEN, got 57": always("57 "),
		"got 100, which is not":         always("100 "),
		`got "5" without a request`:     func(word string) string { return rightReply(word) + "5" },
		`parsing "x"`:                   always("x "),
		"which is no number":            always(strings.Repeat("1", 40)),
	} {
		t.Run(says, func(t *testing.T) {
			s := &stubLegacy{reply: reply}
			wantError(t, runUntil(t, 0, 1, 1, &LegacyDraw{Addr: tcptest.Serve(t, s.serve)}), says)
		})
	}
}

// TestLegacyDrawComesBack closes the connections of the clients, which then open others.
func TestLegacyDrawComesBack(t *testing.T) {
	s := &stubLegacy{limit: func(words int) bool { return words == 10 }}
	r := runUntil(t, 10, 1, 1, &LegacyDraw{Addr: tcptest.Serve(t, s.serve)})
	wantError(t, r, "EOF")
	if r.Operations < 10 {
		t.Errorf("%d operations, want more than one connection's 9", r.Operations)
	}
}

// countTime is long enough for each of a hundred clients to report, and for some
// to draw.
const countTime = 1200 * time.Millisecond

const countClients = 100

func TestLegacyCount(t *testing.T) {
	t.Parallel()
	s := &stubLegacy{values: map[string]int64{"5": 1000}}
	wantClean(t, runFor(t, countTime, countClients, &LegacyCount{Addr: tcptest.Serve(t, s.serve), FirstID: 5}))
	if len(s.values) != countClients || s.values["5"] <= 1000 {
		t.Errorf("server has %d clients, the first at %d; want %d, and that to go on from 1000", len(s.values), s.values["5"], countClients)
	}
}

func TestLegacyCountCountsLostValues(t *testing.T) {
	t.Parallel()
	s := &stubLegacy{keep: func(value int64) int64 { return value - 1 }}
	r := runFor(t, countTime, countClients, &LegacyCount{Addr: tcptest.Serve(t, s.serve)})
	wantError(t, r, "last, the server has")
	if int(r.Errors) != len(s.values) {
		t.Errorf("%d errors, want one for each of the %d clients that reported", r.Errors, len(s.values))
	}
}

func TestLegacyCountCountsWrongReplies(t *testing.T) {
	for says, s := range map[string]*stubLegacy{
		"asked for PARITY_ODD, got 42": {reply: func(string) string { return "42 " }},
		"got 57 without a request":     {reply: func(word string) string { return rightReply(word) + "57 " }},
		"got no reply":                 {reply: func(string) string { return "" }},
		`got "5" and then no more`:     {reply: func(string) string { return "5" }},
		"the server closed":            {limit: func(words int) bool { return words == 2 }},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			wantError(t, runFor(t, countTime, countClients, &LegacyCount{Addr: tcptest.Serve(t, s.serve)}), says)
		})
	}
}

// TestLegacyCountWithoutSome refuses some clients: the others count on.
func TestLegacyCountWithoutSome(t *testing.T) {
	s := &stubLegacy{refuse: map[string]bool{"3": true, "7": true}}
	r := runFor(t, moment, 10, &LegacyCount{Addr: tcptest.Serve(t, s.serve)})
	wantError(t, r, "registering a client: the server closed the connection")
	if r.Clients != 8 || r.Errors != 2 {
		t.Errorf("%d clients and %d errors, want 8 and 2", r.Clients, r.Errors)
	}
}

// stubFile answers every request as reply does.
func stubFile(reply func(nc *net.TCPConn)) func(*net.TCPConn) {
	return func(nc *net.TCPConn) {
		if n, _ := nc.Read(make([]byte, 1024)); n > 0 {
			reply(nc)
		}
	}
}

func TestLegacyGet(t *testing.T) {
	data := make([]byte, 3<<20)
	addr := tcptest.Serve(t, stubFile(func(nc *net.TCPConn) { nc.Write(data) }))
	r := runUntil(t, 4, 0, 2, &LegacyGet{Addr: addr, Files: []string{"a", "b"}})
	wantClean(t, r)
	if whole := r.Operations * int64(len(data)); r.Bytes < whole || r.Bytes > whole+2*int64(len(data)) {
		t.Errorf("%d operations brought %d bytes", r.Operations, r.Bytes)
	}
}

func TestLegacyGetCountsWrongAnswers(t *testing.T) {
	data := make([]byte, 1<<20)
	for says, reply := range map[string]func(nc *net.TCPConn){
		"had 1048576 bytes, now 1048575": func(nc *net.TCPConn) { nc.Write(data[1:]) },
		"had 1048576 bytes, now 14":      func(nc *net.TCPConn) { io.WriteString(nc, notFound) },
		"connection reset by peer": func(nc *net.TCPConn) {
			nc.Write(data[:1000])
			nc.SetLinger(0)
		},
	} {
		t.Run(says, func(t *testing.T) {
			var calls atomic.Int64
			addr := tcptest.Serve(t, stubFile(func(nc *net.TCPConn) {
				if calls.Add(1) > 2 {
					reply(nc)
					return
				}
				nc.Write(data)
			}))
			r := runUntil(t, 0, 1, 1, &LegacyGet{Addr: addr, Files: []string{"f"}})
			wantError(t, r, says)
			if r.Operations != 1 {
				t.Errorf("%d operations succeeded, want 1", r.Operations)
			}
		})
	}
}

func TestLegacyGetNotFound(t *testing.T) {
	addr := tcptest.Serve(t, stubFile(func(nc *net.TCPConn) { io.WriteString(nc, notFound) }))
	_, err := Run(t.Context(), &LegacyGet{Addr: addr, Files: []string{"no"}}, Options{Clients: 1, For: moment})
	if err == nil || err.Error() != `"no": no such file` {
		t.Errorf("Run = %v, want no such file", err)
	}
}

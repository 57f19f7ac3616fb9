package netguard

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLimits admits connections up to both limits and one more.
func TestLimits(t *testing.T) {
	l := newLimiter(Limits{Total: 6, PerAddress: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for i, step := range []struct {
		from    string
		refused Reason
	}{
		{"192.0.2.1", ""}, {"192.0.2.1", ""}, {"192.0.2.1", ReasonAddress},
		// One /64 counts as one address.
		{"2001:db8::1", ""}, {"2001:db8::ffff:1", ""}, {"2001:db8::2", ReasonAddress},
		{"10.1.1.1", ""}, {"10.1.1.1", ""}, {"10.1.1.1", ReasonTotal}, {"2001:db8:0:1::1", ReasonTotal},
	} {
		if got := l.admit(netip.MustParseAddr(step.from)); got != step.refused {
			t.Errorf("step %d: admit(%s) = %q, want %q", i, step.from, got, step.refused)
		}
	}
	l.release(netip.MustParseAddr("192.0.2.1"))
	if got := l.admit(netip.MustParseAddr("192.0.2.1")); got != "" {
		t.Errorf("after a release: %q", got)
	}
	for _, from := range []string{"192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::1", "10.1.1.1", "10.1.1.1"} {
		l.release(netip.MustParseAddr(from))
	}
	if l.open() != 0 || len(l.byAddress) != 0 {
		t.Errorf("after all releases: %d open, %v", l.open(), l.byAddress)
	}
}

// listen returns a guarded listener on loopback and its counts by reason.
func listen(t *testing.T, o Options) (*Listener, func(Reason) int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	counts := map[Reason]int{}
	o.Count = func(r Reason) {
		mu.Lock()
		defer mu.Unlock()
		counts[r]++
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	guarded := NewListener(l, o)
	t.Cleanup(func() { guarded.Close() })
	return guarded, func(r Reason) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[r]
	}
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// TestListenerRefuses checks that connections beyond the limit are closed and logged in
// one line, and that a new one is accepted when there is room.
func TestListenerRefuses(t *testing.T) {
	var log strings.Builder
	l, count := listen(t, Options{Limits: Limits{Total: 1}, Name: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- nc
		}
	}()
	dial(t, l)
	first := <-accepted
	for range 10 {
		if _, err := dial(t, l).Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read beyond the limit: %v, want a closed connection", err)
		}
	}
	if got := count(ReasonTotal); got != 10 {
		t.Errorf("%d refused, want 10", got)
	}
	first.Close()
	first.Close() // must release only once
	dial(t, l)
	second := <-accepted
	if l.Open() != 1 {
		t.Errorf("%d open, want 1", l.Open())
	}
	second.Close()
	l.Close()
	for range accepted {
		t.Error("accepted after Close")
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d log lines, want 1:\n%s", lines, log.String())
	}
}

// shortage is a listener whose first accepts fail because descriptors have run out.
type shortage struct {
	net.Listener
	times int
}

func (s *shortage) Accept() (net.Conn, error) {
	if s.times > 0 {
		s.times--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return s.Listener.Accept()
}

func TestAcceptRetries(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(&shortage{inner, 3}, Options{Limits: Limits{Total: 1}, Log: slog.New(slog.DiscardHandler)})
	defer l.Close()
	dial(t, l)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// TestWriteStalls checks that a peer that does not read is disconnected and that a slow
// reader is not.
func TestWriteStalls(t *testing.T) {
	const timeout = 400 * time.Millisecond
	for _, reads := range []bool{true, false} {
		l, count := listen(t, Options{Limits: Limits{Total: 1}, WriteTimeout: timeout})
		peer := dial(t, l)
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// grpc-go sets and clears a deadline for its handshake.
		nc.SetDeadline(time.Now().Add(time.Hour))
		nc.SetDeadline(time.Time{})
		data := make([]byte, 64<<20)
		var reading sync.WaitGroup
		if reads {
			reading.Go(func() {
				b := make([]byte, 1<<20)
				for {
					if _, err := peer.Read(b); err != nil {
						return
					}
					time.Sleep(timeout / 20)
				}
			})
		}
		n, err := nc.Write(data)
		if reads && (n != len(data) || err != nil) {
			t.Errorf("Write to a slow reader = %d, %v", n, err)
		}
		if !reads && (!errors.Is(err, os.ErrDeadlineExceeded) || count(ReasonStalled) != 1 || l.Open() != 0) {
			t.Errorf("Write to a peer that does not read = %d, %v; counted %d, %d open", n, err, count(ReasonStalled), l.Open())
		}
		if !reads {
			if _, err := io.Copy(io.Discard, peer); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read by the stalled peer: %v, want a reset", err)
			}
		}
		nc.Close()
		reading.Wait()
	}
}

// TestUserDeadline checks that a caller's deadline ends a write before WriteTimeout does.
func TestUserDeadline(t *testing.T) {
	l, count := listen(t, Options{Limits: Limits{Total: 1}, WriteTimeout: time.Hour})
	dial(t, l)
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := nc.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || count(ReasonStalled) != 0 {
		t.Errorf("Write beyond a deadline: %v; %d counted as stalled", err, count(ReasonStalled))
	}
}

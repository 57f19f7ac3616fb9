package netguard

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

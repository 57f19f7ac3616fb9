package netguard

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestWriteStalls writes to a slow reader, which gets everything, and to a peer that does not
// read, whose connection is reset.
func TestWriteStalls(t *testing.T) {
	const timeout = 400 * time.Millisecond
	for _, reads := range []bool{true, false} {
		l, count := listen(t, Options{Limits: Limits{Total: 1}, WriteTimeout: timeout})
		peer := dial(t, l)
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// As grpc-go does for its handshake.
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
				t.Errorf("the peer that did not read: %v, want a reset", err)
			}
		}
		nc.Close()
		reading.Wait()
	}
}

// TestDeadlineOfUser sets a write deadline: it applies although WriteTimeout is longer.
func TestDeadlineOfUser(t *testing.T) {
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

// overtaken is a connection whose first deadline takes effect after overtake has returned.
type overtaken struct {
	net.Conn
	overtake func()
	calls    atomic.Int32
	deadline atomic.Pointer[time.Time]
}

func (o *overtaken) SetWriteDeadline(t time.Time) error {
	if o.calls.Add(1) == 1 {
		o.overtake()
	}
	o.deadline.Store(&t)
	return nil
}

// TestDeadlineDuringWrite sets a deadline in the past, to interrupt a write, while the write
// extends its deadline. The one in the past must win.
func TestDeadlineDuringWrite(t *testing.T) {
	past := time.Unix(1, 0)
	o := &overtaken{}
	c := &conn{Conn: o, l: &Listener{o: Options{WriteTimeout: time.Hour}}}
	var interrupt sync.WaitGroup
	o.overtake = func() {
		done := make(chan struct{})
		interrupt.Go(func() {
			defer close(done)
			c.SetWriteDeadline(past)
		})
		select {
		case <-done:
		case <-time.After(50 * time.Millisecond): // it waits until this call is over
		}
	}
	c.extend(time.Minute)
	interrupt.Wait()
	if got := *o.deadline.Load(); !got.Equal(past) {
		t.Errorf("the deadline is %v, want %v", got, past)
	}
}

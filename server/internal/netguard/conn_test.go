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

// overtaken is a connection whose first deadline takes effect after overtake returns.
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

// TestDeadlineDuringWrite sets a deadline in the past while a write extends its own. The
// past deadline must win, or the write is not interrupted.
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
		case <-time.After(50 * time.Millisecond): // it waits for this call to return
		}
	}
	c.extend(time.Minute)
	interrupt.Wait()
	if got := *o.deadline.Load(); !got.Equal(past) {
		t.Errorf("the deadline is %v, want %v", got, past)
	}
}

package netguard

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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

package legacytcp

import (
	"context"
	"sync"
	"time"
)

// presenceLook is the interval at which the client's presence is checked during a call:
// nothing is read from the client meanwhile.
const presenceLook = time.Second

// watch cancels a call whose answer takes longer than UpstreamRecovery, or whose client
// has gone. The zero watch is ready for use.
type watch struct {
	mu     sync.Mutex
	timer  *time.Timer
	cancel context.CancelFunc // of the call
	by     time.Time          // deadline of the answer; zero: no call is in progress
}

// await starts watching a call for c. There must be no other.
func (w *watch) await(c *conn, cancel context.CancelFunc) {
	limit := c.g.limits.UpstreamRecovery
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel, w.by = cancel, time.Now().Add(limit)
	if first := min(limit, presenceLook); w.timer == nil {
		w.timer = time.AfterFunc(first, func() { w.look(c) })
	} else {
		w.timer.Reset(first)
	}
}

// answered stops watching.
func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.by = time.Time{}
}

func (w *watch) look(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by.IsZero() {
		return // answered while the timer fired
	}
	left := time.Until(w.by)
	if left <= 0 || presenceOf(c.nc) == gone {
		w.cancel()
		return
	}
	w.timer.Reset(min(left, presenceLook))
}

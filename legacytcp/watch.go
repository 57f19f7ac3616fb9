package legacytcp

import (
	"context"
	"sync"
	"time"
)

// presenceLook is how often it is looked whether a client is still there while an
// answer of the service is waited for: nothing is read from the client meanwhile.
const presenceLook = time.Second

// watch ends a call whose answer takes longer than UpstreamRecovery, or that nobody
// waits for any more. The zero watch is ready for use.
type watch struct {
	mu     sync.Mutex
	timer  *time.Timer
	cancel context.CancelFunc // of the call
	by     time.Time          // when it takes too long; zero: no answer is waited for
}

// await begins to wait for an answer to a call that c made. No other is waited for.
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

// answered ends what await began.
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
		return // answered while the timer went off
	}
	left := time.Until(w.by)
	if left <= 0 || presenceOf(c.nc) == gone {
		w.cancel()
		return
	}
	w.timer.Reset(min(left, presenceLook))
}

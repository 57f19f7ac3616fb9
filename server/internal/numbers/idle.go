package numbers

import (
	"fmt"
	"sync/atomic"
	"time"

	"example.com/parity/server/internal/apierror"
)

const (
	// RegisterTimeout is how long a call of Count may take to register its client. Real
	// clients register at once. A call that does not costs as much as a session.
	RegisterTimeout = 10 * time.Second
	// IdleTimeout is how long a registered session may send nothing. Clients report twice
	// a second. It is twice the gateway's idle timeout, so that a gateway ends the sessions
	// of its clients by its own rule first.
	IdleTimeout = 10 * time.Minute
)

// idleRetry is when a client that timed out may retry. The server is not overloaded, so it
// is short.
const idleRetry = time.Second

// idleTimer detects that a client has sent nothing for too long. A request costs one atomic
// store: the timer keeps running, and check finds out how much time is left when it fires.
type idleTimer struct {
	register, idle time.Duration // the timeouts before and after the first request
	began          time.Time
	last           atomic.Int64 // when the last request came, in nanoseconds since began; 0: never

	timer *time.Timer
	fired chan struct{} // receives a token when check is due
}

// newIdleTimer starts the timer. The caller must call stop.
func newIdleTimer(register, idle time.Duration) *idleTimer {
	t := &idleTimer{register: register, idle: idle, began: time.Now(), fired: make(chan struct{}, 1)}
	t.timer = time.AfterFunc(register, func() { t.fired <- struct{}{} }) // does not block: only check restarts the timer
	return t
}

// touch records that a request came. It is safe to call concurrently with check. On a nil
// idleTimer it does nothing.
func (t *idleTimer) touch(now time.Time) {
	if t != nil {
		t.last.Store(max(int64(now.Sub(t.began)), 1))
	}
}

// check returns an error if a timeout has expired. Otherwise it restarts the timer for the
// time that is left. It is called for each token of fired.
func (t *idleTimer) check() error {
	last := time.Duration(t.last.Load())
	timeout := t.idle
	if last == 0 {
		timeout = t.register
	}
	left := timeout - (time.Since(t.began) - last)
	switch {
	case left > 0:
		t.timer.Reset(left)
		return nil
	case last == 0:
		return apierror.Exhausted("REGISTER_TIMEOUT", fmt.Sprintf("no register within %v", timeout), idleRetry)
	default:
		return apierror.Exhausted("SESSION_IDLE", fmt.Sprintf("no request for %v", timeout), idleRetry)
	}
}

func (t *idleTimer) stop() { t.timer.Stop() }

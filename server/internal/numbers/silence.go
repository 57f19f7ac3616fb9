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

// silenceRetry is when a client that timed out may retry: soon, because only its session
// was at fault.
const silenceRetry = time.Second

// silence detects that a client has sent nothing for too long. Hearing the client is one
// atomic store: the timer is not reset, and whoever it wakes checks when the client was
// last heard.
type silence struct {
	register, idle time.Duration // the limits before and after the first request
	began          time.Time
	heard          atomic.Int64 // when the last request came, in nanoseconds since began; 0: never

	timer *time.Timer
	rings chan struct{} // receives a token when check is due
}

// newSilence starts the timer. The caller must call stop.
func newSilence(register, idle time.Duration) *silence {
	s := &silence{register: register, idle: idle, began: time.Now(), rings: make(chan struct{}, 1)}
	s.timer = time.AfterFunc(register, func() { s.rings <- struct{}{} }) // does not block: only check restarts the timer
	return s
}

// hear records that a request came. It is safe to call concurrently with check. A nil
// silence is no limit.
func (s *silence) hear(now time.Time) {
	if s != nil {
		s.heard.Store(max(int64(now.Sub(s.began)), 1))
	}
}

// check returns an error if the client has been silent for too long. Otherwise it restarts
// the timer for the earliest time when that can be. It is called for each token of rings.
func (s *silence) check() error {
	heard := time.Duration(s.heard.Load())
	limit := s.idle
	if heard == 0 {
		limit = s.register
	}
	left := limit - (time.Since(s.began) - heard)
	switch {
	case left > 0:
		s.timer.Reset(left)
		return nil
	case heard == 0:
		return apierror.Exhausted("REGISTER_TIMEOUT", fmt.Sprintf("no register within %v", limit), silenceRetry)
	default:
		return apierror.Exhausted("SESSION_IDLE", fmt.Sprintf("no request for %v", limit), silenceRetry)
	}
}

func (s *silence) stop() { s.timer.Stop() }

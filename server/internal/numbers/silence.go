package numbers

import (
	"fmt"
	"sync/atomic"
	"time"

	"example.com/parity/server/internal/apierror"
)

const (
	// RegisterTimeout is how long a call of Count may take to register its client. Real
	// clients register at once; one that does not costs as much as one that counts.
	RegisterTimeout = 10 * time.Second
	// IdleTimeout is how long a session that came over the network may send nothing.
	// Clients report twice a second. It is twice what the gateway gives its clients, so
	// that a gateway ends their sessions by its own rule.
	IdleTimeout = 10 * time.Minute
)

// silenceRetry is when a client that was silent for too long may come back: soon, for
// its session is all that was in the way.
const silenceRetry = time.Second

// silence notices that a client has sent nothing for too long. To hear the client costs
// a store to memory only: the timer is left as it is, and whoever it wakes looks when
// the client was heard last.
type silence struct {
	register, idle time.Duration // how long it may last before and after the first request
	began          time.Time
	heard          atomic.Int64 // when the last request came, in nanoseconds after began; 0: none has

	timer *time.Timer
	rings chan struct{} // gets a token when it is time to call check
}

// newSilence begins to listen. It must be stopped.
func newSilence(register, idle time.Duration) *silence {
	s := &silence{register: register, idle: idle, began: time.Now(), rings: make(chan struct{}, 1)}
	s.timer = time.AfterFunc(register, func() { s.rings <- struct{}{} }) // one token: check sets it anew
	return s
}

// hear notes that a request came. It may be called while check is. A nil silence is
// that of a client who may be silent.
func (s *silence) hear(now time.Time) {
	if s != nil {
		s.heard.Store(max(int64(now.Sub(s.began)), 1))
	}
}

// check returns an error if the client has been silent for too long, and else has the
// timer ring when that could be. It is called after each ring.
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

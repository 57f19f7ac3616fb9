package legacytcp

import (
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Pauses between attempts to reach an UNAVAILABLE service. They double from the first to
// the second, and each is shortened by a random part of up to a half, so that thousands
// of sessions do not retry at the same moment.
const (
	minRetryPause = 50 * time.Millisecond
	maxRetryPause = time.Second
)

func isUnavailable(err error) bool { return status.Code(err) == codes.Unavailable }

// retry calls try until its error is not UNAVAILABLE, the next attempt would begin more
// than limit from now, the client has gone, or the gateway is shut down. It returns the
// last error.
func (c *conn) retry(limit time.Duration, try func() error) error {
	giveUp := time.Now().Add(limit)
	for pause := minRetryPause; ; pause = min(2*pause, maxRetryPause) {
		err := try()
		if !isUnavailable(err) {
			return err
		}
		wait := pause - rand.N(pause/2)
		if time.Now().Add(wait).After(giveUp) || !c.sleep(wait) || presenceOf(c.nc) == gone {
			return err
		}
	}
}

// upstreamReason returns the reason of closing a connection whose call failed.
func (c *conn) upstreamReason(err error) Reason {
	switch {
	case presenceOf(c.nc) == gone:
		return ReasonClient
	case status.Code(err) == codes.ResourceExhausted:
		return ReasonUpstreamLimit
	}
	return ReasonUpstream
}

// sleep waits for d and returns true, or returns false at a shutdown.
func (c *conn) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.g.draining:
	case <-c.ctx.Done():
	}
	return false
}

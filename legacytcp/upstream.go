package legacytcp

import (
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Pauses between attempts to reach a service that is UNAVAILABLE. They double
// from the first to the second, and each is cut by up to a half at random, so
// that thousands of sessions do not come back in one instant.
const (
	minRetryPause = 50 * time.Millisecond
	maxRetryPause = time.Second
)

func isUnavailable(err error) bool { return status.Code(err) == codes.Unavailable }

// retry calls try until it ends in anything but UNAVAILABLE, until the next
// attempt would begin later than limit from now, until the client is seen to have
// gone, or until the gateway is shut down. It returns the last error.
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

// upstreamReason tells why a connection is closed for which a call failed.
func (c *conn) upstreamReason(err error) Reason {
	switch {
	case presenceOf(c.nc) == gone:
		return ReasonClient
	case status.Code(err) == codes.ResourceExhausted:
		return ReasonUpstreamLimit
	}
	return ReasonUpstream
}

// sleep reports whether it slept for d, and was not ended by a shutdown.
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

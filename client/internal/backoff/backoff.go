// Package backoff spaces out attempts to reach a server that does not answer:
// each wait is about twice the one before, up to a limit, and random within
// its upper half, so that many clients cut off together do not come back
// together.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// first is the wait before the first retry: short, as most losses are a
	// server that restarts.
	first = 100 * time.Millisecond
	// longest bounds every wait, so that a client is back soon after its server.
	longest = 5 * time.Second
)

// Delay returns how long to wait after the given number of failures in a row,
// counted from 0.
func Delay(failures int) time.Duration {
	d := longest
	// A shift that could overflow is far beyond longest.
	if failures < 16 {
		d = min(first<<failures, longest)
	}
	return d/2 + rand.N(d/2) + 1
}

// Wait waits for d, or until ctx is done and then returns its error.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Package backoff returns the waits between attempts to reach a server that does not
// answer. Each wait is about twice the one before, up to a limit, and random within its
// upper half, so that many clients do not retry at the same moment.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// first is the wait before the first retry: short, because most connections are lost
	// to a server that restarts.
	first = 100 * time.Millisecond
	// longest bounds every wait, so that a client reconnects soon after its server is back.
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

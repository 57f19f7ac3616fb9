// Package await has tests wait for a condition that they can only poll.
package await

import (
	"testing"
	"time"
)

const (
	// patience is how long a condition may take on a busy machine.
	patience = 15 * time.Second
	interval = 5 * time.Millisecond
)

// That waits until a condition holds, and fails the test if it takes too long.
func That(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(interval) {
		if time.Now().After(end) {
			tb.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

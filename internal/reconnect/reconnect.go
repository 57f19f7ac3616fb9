// Package reconnect says how gRPC connections are made again: those of the client to a
// server, and of the gateway to its upstream.
package reconnect

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	// firstWait is short, because most connections are lost to a server that restarts.
	firstWait = 100 * time.Millisecond
	// longestWait is well below the 30 s for which the gateway keeps counting sessions
	// without an upstream.
	longestWait = 2 * time.Second
	// attempt is how long one attempt may take.
	attempt = 10 * time.Second
)

// Option returns the dial option.
func Option() grpc.DialOption {
	return grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: firstWait, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestWait},
		MinConnectTimeout: attempt,
	})
}

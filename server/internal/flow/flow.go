// Package flow describes what the transport of a call allows its handler: how many bytes
// of a reply may be in flight, and whether both sides of its stream may be active at the
// same time. The handler finds both through its context.
package flow

import "context"

// Window is the flow-control window of one call. It bounds the memory that a slow reader
// costs. It is used by one goroutine at a time.
type Window interface {
	// Reserve waits for room and returns how many bytes may be sent: at least one, at
	// most want. They count as in flight until they are on the wire. The error is ctx's,
	// or a status if the peer has read nothing for too long.
	Reserve(ctx context.Context, want int64) (int64, error)
	// Return gives back reserved bytes that will not be sent.
	Return(n int64)
	// Close gives back the rest. Nothing is sent after it.
	Close()
}

type contextKey struct{}

// NewContext returns a context for a call with that window.
func NewContext(ctx context.Context, w Window) context.Context {
	return context.WithValue(ctx, contextKey{}, w)
}

// FromContext returns the window of the call that ctx belongs to, or nil if the call does
// not come from the network.
func FromContext(ctx context.Context) Window {
	w, _ := ctx.Value(contextKey{}).(Window)
	return w
}

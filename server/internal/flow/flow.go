// Package flow says how many bytes of a reply may be handed to a call's peer, so
// that a peer who does not read costs next to nothing.
package flow

import "context"

// Window is one call's. It is used by one goroutine at a time.
type Window interface {
	// Reserve waits until bytes may be handed over, and returns how many: at least
	// one, and at most want. They count as held for the peer until they are on the
	// wire. The error is ctx's, or a status: the peer has taken nothing for too long.
	Reserve(ctx context.Context, want int64) (int64, error)
	// Return gives back what was reserved and will not be sent.
	Return(n int64)
	// Close gives back what is left. The call sends nothing any more.
	Close()
}

type contextKey struct{}

// NewContext returns a context of the call whose window w is.
func NewContext(ctx context.Context, w Window) context.Context {
	return context.WithValue(ctx, contextKey{}, w)
}

// FromContext returns the window of the call that ctx belongs to, or nil if it has
// none: it does not come over a connection.
func FromContext(ctx context.Context) Window {
	w, _ := ctx.Value(contextKey{}).(Window)
	return w
}

package flow

import "context"

// HalfDuplexContext is the context of a call on a half-duplex stream.
//
// The two sides of such a stream take turns: the handler runs only while its caller waits
// in SendMsg or RecvMsg. So the handler has three obligations:
//   - It uses the stream in the goroutine that it was called in.
//   - It sends only replies to what it received, and the rest when it has received io.EOF.
//     A caller that sends nothing receives nothing.
//   - It does not wait for time to pass. It would block its caller, and a timer cannot
//     interrupt its own RecvMsg: the caller has the turn, and limits itself.
type HalfDuplexContext struct{ context.Context }

type halfDuplexKey struct{}

// Value implements context.Context.
func (c *HalfDuplexContext) Value(key any) any {
	if key == (halfDuplexKey{}) {
		return true
	}
	return c.Context.Value(key)
}

// IsHalfDuplex reports whether the stream of the call that ctx belongs to is half-duplex:
// see [HalfDuplexContext].
func IsHalfDuplex(ctx context.Context) bool { return ctx.Value(halfDuplexKey{}) != nil }

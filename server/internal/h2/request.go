package h2

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
)

const (
	// requestAllowance is how many bytes of requests may wait for the handlers of each
	// connection, whatever waits for others: the initial window of HTTP/2. More comes from
	// the account.
	requestAllowance = 64 << 10
	// dataOverhead is what grpc-go allocates for each DATA frame of a message that has not
	// arrived whole, in bytes. It merges the small frames of messages that wait.
	dataOverhead = 16
	// retryRequest is the delay after which a client is asked to repeat a call that was
	// ended while its request arrived. The server need not be overloaded.
	retryRequest = time.Second
)

func errRequestTimeout(after time.Duration) error {
	return status.Error(codes.DeadlineExceeded, "the request has not arrived within "+after.String())
}

func errRequestsWaiting() error {
	return apierror.Exhausted("REQUESTS_WAITING", "too many requests wait to be read", retryRequest)
}

// unread is what has arrived of the requests of a call and its handler has not read. A
// message counts until the handler has all of it.
type unread struct {
	memory   int64 // of all of it
	messages int   // how many have arrived whole
	whole    int64 // memory of these
	arriving arriving
}

// arriving is the position in a sequence of messages.
type arriving struct {
	prefix   [prefixLen]byte
	prefixed int // bytes of prefix
	left     int // bytes of the message to come
	partial  int // bytes of the message that have arrived, with its prefix
}

// add moves past b and returns how many messages end in it.
func (a *arriving) add(b []byte) (ended int) {
	for len(b) > 0 {
		n := 0
		if a.left > 0 {
			n = min(a.left, len(b))
			a.left -= n
		} else {
			n = copy(a.prefix[a.prefixed:], b)
			if a.prefixed += n; a.prefixed == prefixLen {
				a.prefixed = 0
				a.left = int(binary.BigEndian.Uint32(a.prefix[1:]))
			}
		}
		a.partial += n
		b = b[n:]
		if a.left == 0 && a.prefixed == 0 {
			a.partial = 0
			ended++
		}
	}
	return ended
}

// arrived accounts for a part of a DATA frame, without its padding. overhead is what the
// frame costs besides.
func (c *Conn) arrived(id uint32, b []byte, overhead int64) {
	c.mu.Lock()
	s := c.streams[id]
	if s == nil || s.refused != nil {
		c.mu.Unlock()
		return
	}
	u := &s.unread
	u.memory += int64(len(b)) + overhead
	c.unread += int64(len(b)) + overhead
	if n := u.arriving.add(b); n > 0 {
		u.messages += n
		u.whole = u.memory - int64(u.arriving.partial)
	}
	victims := c.chargeUnread()
	c.mu.Unlock()
	for _, s := range victims {
		s.cancel()
	}
}

// chargeUnread charges what waits beyond the allowance to the account. If the account
// refuses, the calls that hold most are refused, and returned: they must be cancelled.
// The caller holds c.mu.
func (c *Conn) chargeUnread() (victims []*Stream) {
	account := c.guard.o.Requests
	if account == nil {
		return nil
	}
	for {
		more := max(0, c.unread-requestAllowance) - c.unreadCharged
		if more <= 0 {
			if more < 0 {
				account.Release(-more)
				c.unreadCharged += more
			}
			return victims
		}
		taken := account.Take(c.unreadCharged, more)
		c.unreadCharged += taken
		if taken == more {
			return victims
		}
		victim := c.largestUnread()
		if victim == nil {
			// These requests are complete, and on their way to handlers.
			account.Charge(more - taken)
			c.unreadCharged += more - taken
			return victims
		}
		victim.refuse(errRequestsWaiting())
		victims = append(victims, victim)
	}
}

// largestUnread returns the call with most bytes unread among those that can be cancelled,
// or nil.
func (c *Conn) largestUnread() (largest *Stream) {
	for _, s := range c.streams {
		if s.cancel != nil && s.unread.memory > 0 && (largest == nil || s.unread.memory > largest.unread.memory) {
			largest = s
		}
	}
	return largest
}

// refuse makes err the status of the call, whose context must be cancelled next. The
// caller holds c.mu and calls chargeUnread.
func (s *Stream) refuse(err error) {
	s.refused = err
	s.dropUnread()
}

// dropUnread forgets what is unread. The caller holds c.mu and calls chargeUnread.
func (s *Stream) dropUnread() {
	s.c.unread -= s.unread.memory
	s.unread = unread{}
}

// read accounts for a message that the handler has read. Messages that wait count as
// equally large.
func (s *Stream) read() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.stopDeadline()
	u := &s.unread
	if s.ended || u.messages == 0 {
		return
	}
	n := u.whole / int64(u.messages)
	u.messages--
	u.whole -= n
	u.memory -= n
	c.unread -= n
	c.chargeUnread() // releases only
}

// refusal returns the status of a call that the Guard has ended, else err. The peer gets it
// if the handler was not waiting for a message. If it was, grpc-go has sent CANCELLED or
// DEADLINE_EXCEEDED, by the context, and this is for the log.
func (s *Stream) refusal(err error) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.refused != nil {
		return s.refused
	}
	return err
}

// await returns a context for a call whose request has not arrived. It ends if the first
// message takes longer than the Guard's RequestTimeout, or if the call is refused.
func (s *Stream) await(ctx context.Context) context.Context {
	waiting := &requestContext{}
	waiting.Context, s.cancel = context.WithCancel(ctx)
	after := s.c.guard.o.RequestTimeout
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.ended {
		return waiting
	}
	s.deadline = time.AfterFunc(after, func() {
		s.c.mu.Lock()
		late := s.deadline != nil
		if late {
			s.deadline = nil
			s.refuse(errRequestTimeout(after))
			s.c.chargeUnread() // releases only
			waiting.late.Store(true)
		}
		s.c.mu.Unlock()
		if late {
			s.cancel()
		}
	})
	return waiting
}

// stopDeadline ends the wait for the first message. The caller holds c.mu.
func (s *Stream) stopDeadline() {
	if s.deadline != nil {
		s.deadline.Stop()
		s.deadline = nil
	}
}

// requestContext is the context of a call whose request was awaited. While grpc-go waits
// for a message, it takes the status of the call from Err.
type requestContext struct {
	context.Context
	late atomic.Bool
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	err := c.Context.Err()
	if err != nil && c.late.Load() {
		return context.DeadlineExceeded
	}
	return err
}

// hasRequest reports whether the whole request of a call is in the buffer, which is usual:
// one DATA frame that ends the stream.
func (c *Conn) hasRequest(id uint32) bool {
	b := c.buffer[c.begin:c.end]
	if len(b) < headerLen {
		return false
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return b[3] == frameData && b[4]&flagEndStream != 0 &&
		binary.BigEndian.Uint32(b[5:])&idMask == id && len(b) >= headerLen+length
}

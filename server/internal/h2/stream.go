package h2

import (
	"context"
	"math"
	"time"

	"example.com/parity/server/internal/flow"
)

const (
	// minGrant is the minimum size of a chunk, which is a frame of its own, for a peer that
	// has not yet received what was queued before.
	minGrant = 16 << 10
	// messageOverhead is the maximum number of bytes of a message besides its chunk, such as
	// checksums. firstOverhead is the same for the first message, which also describes the
	// file.
	messageOverhead = 32
	firstOverhead   = 1280
	// queueOverhead is what grpc-go allocates for each queued message, in bytes.
	queueOverhead = 256
	// smallMessage is the maximum size of a message that need not wait for the chunks
	// that wait for the connection.
	smallMessage = 1 << 10
)

// Stream is the server's side of one call. It is the call's flow.Window.
type Stream struct {
	c      *Conn
	id     uint32
	sender sender // the ServerStream that Guard.Stream gives to the handler

	granted  int64 // the peer's window, by what is on the wire, less c.initial
	reserved int64 // of the window, by next and queue
	progress uint64

	next    reservation   // for the next message
	queue   []reservation // of the messages that grpc-go has and that are not all on the wire
	first   [2]reservation
	written written

	unread   unread
	cancel   context.CancelFunc // ends the call; nil: its request had arrived when it began
	deadline *time.Timer        // of its first message; nil: none
	refused  error              // the status of a call that the Guard has ended

	begun    bool // Reserve has been called
	prepared bool // Reserve has been called for the next message; used by the handler only
	ended    bool // by one side
	waits    blocker
	minimum  int64         // bytes that it waits for
	wakeup   chan struct{} // has a buffer of 1
	checked  uint64        // the progress that checkQueues saw last
}

var _ flow.Window = (*Stream)(nil)

// open creates the stream of the HEADERS that were read last. It is called by the reader.
func (c *Conn) open() *Stream {
	if c.place != nil {
		c.place.Heard()
	}
	s := &Stream{c: c, id: c.in.last}
	s.queue = s.first[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ended = c.closed; !s.ended {
		c.streams[s.id] = s
	}
	return s
}

// forget ends a stream and releases all that it holds. The caller holds c.mu.
func (c *Conn) forget(s *Stream) {
	delete(c.streams, s.id)
	s.ended = true
	memory := s.next.memory
	for _, m := range s.queue {
		memory += m.memory
	}
	c.reserved -= s.reserved
	s.reserved, s.next, s.queue = 0, reservation{}, nil
	c.adjustMemory(-memory)
	s.stopDeadline()
	s.dropUnread()
	c.chargeUnread() // releases only
	if s.waits != forNothing {
		s.wake()
	}
	c.wakeNext()
}

// Reserve implements flow.Window.
func (s *Stream) Reserve(ctx context.Context, want int64) (int64, error) {
	overhead := int64(messageOverhead)
	if !s.begun {
		s.begun, overhead = true, firstOverhead
	}
	if err := s.reserve(ctx, request{least: min(want, minGrant) + overhead, most: want + overhead}); err != nil {
		return 0, err
	}
	s.prepared = true
	s.c.mu.Lock() // the call may end meanwhile, which releases what is reserved
	defer s.c.mu.Unlock()
	// A window of a few bytes is exceeded by the overhead. The rest waits in grpc-go.
	return max(1, s.next.window-overhead), nil
}

// Return implements flow.Window.
func (s *Stream) Return(n int64) {
	if n > 0 {
		s.releaseNext(n)
	}
}

// Close implements flow.Window.
func (s *Stream) Close() {
	if s.prepared {
		s.prepared = false
		s.releaseNext(math.MaxInt64)
	}
}

// releaseNext releases up to n bytes of what is reserved for the next message.
func (s *Stream) releaseNext(n int64) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.release(&s.next, min(n, s.next.window), min(n, s.next.memory))
	s.c.wakeNext()
}

// release releases a part of m. The caller holds c.mu.
func (s *Stream) release(m *reservation, window, memory int64) {
	m.window -= window
	m.memory -= memory
	s.reserved -= window
	s.c.reserved -= window
	s.c.adjustMemory(-memory)
}

// request is what a stream wants to reserve: least to most bytes for a message that can be
// of any size, or all of a whole one.
type request struct {
	least, most int64
	whole       bool
}

func whole(size int64) request { return request{least: size, most: size, whole: true} }

// blocker is what a stream waits for.
type blocker int

const (
	forNothing blocker = iota
	forStream          // for the peer to open the stream's window
	forConn            // for the connection's window or memory
)

// tryReserve reserves what r wants for the next message, or returns what to wait for. A
// stream waits until its window has room for r.least: see hasWindow. The window of the
// connection need not have room for all of a large message: it may never be that large. A
// stream that was woken has priority over the parked ones. The caller holds c.mu.
func (s *Stream) tryReserve(r request, woken bool) blocker {
	c := s.c
	if !s.hasWindow(r.least) {
		return forStream
	}
	streamRoom := s.window() - s.reserved
	connRoom := c.window - c.reserved
	if connRoom < min(r.least, minGrant) && (c.reserved > 0 || connRoom < 1) {
		return forConn
	}
	if !woken && len(c.parked) > 0 && r.least > smallMessage {
		return forConn
	}
	n := r.most
	if !r.whole {
		n = min(n, streamRoom, connRoom)
	}
	memory := c.acquireMemory(min(r.least, n)+queueOverhead, n+queueOverhead)
	if memory == 0 {
		return forConn
	}
	n = memory - queueOverhead
	s.next = reservation{n, memory}
	s.reserved += n
	c.reserved += n
	return forNothing
}

// window returns the peer's window of the stream.
func (s *Stream) window() int64 { return s.c.initial + s.granted }

// hasWindow reports whether the stream's window has room for least bytes, or for as many as
// a peer with a small window may ever grant: if it has received everything, that is half of
// its initial window, because peers do not grant every byte separately.
func (s *Stream) hasWindow(least int64) bool {
	room := s.window() - s.reserved
	return room >= least || s.reserved == 0 && room >= max(1, s.c.initial/2)
}

// canSend reports whether the peer has window for something that is queued.
func (s *Stream) canSend() bool { return s.window() > 0 && s.c.window > 0 }

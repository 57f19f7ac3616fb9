package h2

import (
	"context"

	"example.com/parity/server/internal/flow"
)

const (
	// minGrant is the least that is worth a chunk, and a frame of its own, to a peer
	// who is still to get what it was handed before.
	minGrant = 16 << 10
	// messageOverhead is how many bytes a chunk's message has at most beside the chunk,
	// such as checksums, and firstOverhead the first one, which has the file's
	// description.
	messageOverhead = 32
	firstOverhead   = 1280
	// queueOverhead is what grpc-go allocates for a message that it queues.
	queueOverhead = 256
	// smallMessage is the size up to which a message need not queue behind chunks that
	// wait for the connection.
	smallMessage = 1 << 10
)

// Stream is one call, on the server's side. It is the call's flow.Window.
type Stream struct {
	c      *Conn
	id     uint32
	sender sender // what Guard.Stream gives the handler

	granted  int64 // the peer's window, as the wire has it, beyond c.initial
	reserved int64 // of it: what next and queue have
	progress uint64

	next  message   // what Reserve has reserved for the next message
	queue []message // handed to grpc-go, and not all on the wire
	first [2]message

	// What is known of the message that is being written: bytes of its prefix, and of
	// what is behind it.
	prefix   [prefixLen]byte
	prefixed int
	left     int

	begun   bool // Reserve was called before
	unspent bool // the handler's: Reserve was called after the last message
	gone    bool // one side has ended the stream
	waits   waiting
	least   int64 // of what it waits for
	wake    chan struct{}
	checked uint64 // what had moved when Conn.look looked last
}

// message is what a message has of the peer's window and of the memory.
type message struct{ window, memory int64 }

var _ flow.Window = (*Stream)(nil)

// open makes the stream of the HEADERS that were read last. The reader calls it.
func (c *Conn) open() *Stream {
	s := &Stream{c: c, id: c.in.last}
	s.queue = s.first[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone = c.closed; !s.gone {
		c.streams[s.id] = s
	}
	return s
}

// forget gives back all that a stream has. It is the last that is known of it.
func (c *Conn) forget(s *Stream) {
	delete(c.streams, s.id)
	s.gone = true
	memory := s.next.memory
	for _, m := range s.queue {
		memory += m.memory
	}
	c.reserved -= s.reserved
	s.reserved, s.next, s.queue = 0, message{}, nil
	c.hold(-memory)
	if s.waits != forNothing {
		s.awake()
	}
	c.wakeNext()
}

// free gives back a part of what m has.
func (s *Stream) free(m *message, window, memory int64) {
	m.window -= window
	m.memory -= memory
	s.reserved -= window
	s.c.reserved -= window
	s.c.hold(-memory)
}

// Reserve implements flow.Window.
func (s *Stream) Reserve(ctx context.Context, want int64) (int64, error) {
	overhead := int64(messageOverhead)
	if !s.begun {
		s.begun, overhead = true, firstOverhead
	}
	if err := s.await(ctx, request{least: min(want, minGrant) + overhead, most: want + overhead}); err != nil {
		return 0, err
	}
	s.unspent = true
	// A window of a few bytes is overdrawn by the overhead, which waits in grpc-go.
	return max(1, s.next.window-overhead), nil
}

// Return implements flow.Window.
func (s *Stream) Return(n int64) {
	if n == 0 {
		return
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.free(&s.next, min(n, s.next.window), min(n, s.next.memory))
	s.c.wakeNext()
}

// Close implements flow.Window.
func (s *Stream) Close() {
	if s.unspent {
		s.unspent = false
		s.giveBack()
	}
}

// giveBack gives back what is reserved and not used.
func (s *Stream) giveBack() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.free(&s.next, s.next.window, s.next.memory)
	s.c.wakeNext()
}

// request is what a stream asks for: between least and most bytes for a message, or
// for a whole one, which cannot be cut up.
type request struct {
	least, most int64
	whole       bool
}

func whole(size int64) request { return request{least: size, most: size, whole: true} }

// take reserves what is asked for, or tells what must be waited for: until the peer's
// windows have room for least, see hasWindow. The connection's need not have room for
// all of a large message: there may never be so much. Whoever was woken goes before
// those who are parked.
func (s *Stream) take(r request, woken bool) waiting {
	c := s.c
	if !s.hasWindow(r.least) {
		return forStream
	}
	own := c.initial + s.granted - s.reserved
	all := c.window - c.reserved
	if all < min(r.least, minGrant) && (c.reserved > 0 || all < 1) {
		return forConn
	}
	if !woken && len(c.parked) > 0 && r.least > smallMessage {
		return forConn
	}
	n := r.most
	if !r.whole {
		n = min(n, own, all)
	}
	memory := c.allow(min(r.least, n)+queueOverhead, n+queueOverhead)
	if memory == 0 {
		return forConn
	}
	n = memory - queueOverhead
	s.next = message{n, memory}
	s.reserved += n
	c.reserved += n
	return forNothing
}

// hasWindow reports whether the stream's window has room for least bytes, or for as
// many as a peer with small windows may ever grant: one that has taken everything has
// half of its initial window open, since peers do not grant every byte by itself.
func (s *Stream) hasWindow(least int64) bool {
	own := s.c.initial + s.granted - s.reserved
	return own >= least || s.reserved == 0 && own >= max(1, s.c.initial/2)
}

// hand puts a message of size bytes into the queue, if there is room for it at once or
// room was reserved, which then counts. grpc-go must be given the message next.
func (s *Stream) hand(size int64) bool {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone {
		return true // grpc-go has an error for it
	}
	if s.next.memory == 0 && s.take(whole(size), false) != forNothing {
		return false
	}
	s.queue = append(s.queue, s.next)
	s.next = message{}
	if c.watch == nil {
		c.watchQueues()
	}
	return true
}

// takeBack takes back the message that was handed over last, which grpc-go did not
// take.
func (s *Stream) takeBack() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if last := len(s.queue) - 1; last >= 0 {
		m := &s.queue[last]
		s.free(m, m.window, m.memory)
		s.queue = s.queue[:last]
	}
}

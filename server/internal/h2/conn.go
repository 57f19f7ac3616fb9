package h2

import (
	"net"
	"sync"
	"time"
)

// readBuffer is the number of bytes read from a connection at once. A call of Draw needs
// about 20, and every connection has such a buffer.
const readBuffer = 8 << 10

// Conn is a connection of a gRPC server. As in every server transport of grpc-go, one
// goroutine reads, which also calls Guard.Tap, and one writes.
type Conn struct {
	net.Conn
	guard *Guard
	place interface{ Heard() } // told of every call; nil: nobody wants to know

	buffer     []byte // buffer[begin:end] was read but not yet returned
	begin, end int
	in         inbound // used by the reader only

	mu  sync.Mutex // guards the fields below and those of the streams
	out outbound

	streams map[uint32]*Stream // with a call, until one side has ended them
	closed  bool

	initial  int64 // the peer's initial window of a stream
	window   int64 // the peer's window of the connection, by what is on the wire
	reserved int64 // of window, by all streams
	writing  int64 // bytes in Write: the peer may grant them again before it returns

	held    int64 // bytes of memory for all streams
	charged int64 // of held, to the account: what exceeds connAllowance

	unread        int64 // bytes of requests that wait for handlers, of all streams
	unreadCharged int64 // of unread, to the account: what exceeds requestAllowance

	parked   []*Stream // streams that wait for the connection, in order
	progress uint64    // changes whenever the peer grants or takes bytes

	watch *time.Timer // runs checkQueues; nil: nothing is queued
}

func newConn(nc net.Conn, g *Guard) *Conn {
	c := &Conn{
		Conn: nc, guard: g,
		streams: make(map[uint32]*Stream),
		initial: defaultWindow, window: defaultWindow,
	}
	c.in = inbound{conn: c, preface: prefaceLen}
	c.out.conn = c
	return c
}

// Read implements net.Conn. It returns at most the rest of the current frame header or
// payload, so that the caller processes each frame before it reads the next one.
func (c *Conn) Read(p []byte) (int, error) {
	p = p[:min(len(p), c.in.remaining())]
	var n int
	if c.begin == c.end && len(p) >= readBuffer {
		var err error
		if n, err = c.Conn.Read(p); n == 0 {
			return 0, err
		}
	} else {
		if err := c.fill(); err != nil {
			return 0, err
		}
		n = copy(p, c.buffer[c.begin:c.end])
		c.begin += n
	}
	if err := c.in.received(p[:n]); err != nil {
		return 0, err // without the bytes: a caller that has enough of them ignores the error
	}
	return n, nil
}

// fill reads into the buffer if it is empty.
func (c *Conn) fill() error {
	if c.begin < c.end {
		return nil
	}
	if c.buffer == nil {
		c.buffer = make([]byte, readBuffer)
	}
	n, err := c.Conn.Read(c.buffer)
	c.begin, c.end = 0, n
	if n > 0 {
		return nil // a net.Conn returns its error again
	}
	return err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writing = int64(len(p))
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	c.writing = 0
	sentErr := c.out.sent(p[:n])
	c.mu.Unlock()
	if sentErr != nil && err == nil {
		c.Conn.Close()
		err = sentErr
	}
	return n, err
}

// Close implements net.Conn. Queued data is discarded.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, s := range c.streams {
		c.forget(s)
	}
	if c.watch != nil {
		c.watch.Stop()
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// closeFor closes the connection and counts the reason. Its reader gets the error.
func (c *Conn) closeFor(why Reason) {
	c.guard.o.Count(why)
	_ = c.Close()
}

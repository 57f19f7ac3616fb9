package h2

import (
	"net"
	"sync"
	"time"
)

// readBuffer is how many bytes are read from a connection at once. A call that draws
// takes some 20, and every connection has one of these.
const readBuffer = 8 << 10

// Conn is a connection of a gRPC server. Like every net.Conn of a server transport of
// grpc-go it has one reader, which also calls Guard.Tap, and one writer.
type Conn struct {
	net.Conn
	guard *Guard

	buffer     []byte // what was read and not handed out is buffer[begin:end]
	begin, end int
	in         inbound // the reader's

	mu  sync.Mutex // guards all that follows, and the fields of the streams
	out outbound

	streams map[uint32]*Stream // those with a call, until one side has ended them
	closed  bool

	initial  int64 // the peer's initial window of a stream
	window   int64 // of the connection, as the wire has it
	reserved int64 // of it, by all streams
	writing  int64 // bytes in Write: the peer may have them, and grant them again, before it returns

	held    int64 // bytes of memory for all streams
	charged int64 // of them, to the account: those beyond ownShare

	parked   []*Stream // those that wait for the connection, in order
	progress uint64    // changes when the peer grants or takes something

	watch *time.Timer // looks for what does not go out; nil: nothing is queued
}

func newConn(nc net.Conn, g *Guard) *Conn {
	return &Conn{
		Conn: nc, guard: g,
		in:      inbound{preface: prefaceLen},
		streams: make(map[uint32]*Stream),
		initial: defaultWindow, window: defaultWindow,
	}
}

// Read implements net.Conn. It returns no more than what is left of a frame's header or
// of its payload, so that its caller deals with one frame before it sees the next.
func (c *Conn) Read(p []byte) (int, error) {
	p = p[:min(len(p), c.in.part())]
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
	if err := c.received(p[:n]); err != nil {
		return 0, err // not the bytes too: a reader who has enough ignores the error
	}
	return n, nil
}

// fill sees to it that something is in the buffer.
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
		return nil // a net.Conn reports its error again
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
	sentErr := c.sent(p[:n])
	c.mu.Unlock()
	if sentErr != nil && err == nil {
		c.Conn.Close()
		err = sentErr
	}
	return n, err
}

// Close implements net.Conn. What is queued goes out no more.
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

// cut closes the connection for a reason that is counted. Its reader sees that.
func (c *Conn) cut(why Reason) {
	c.guard.o.Count(why)
	_ = c.Close() // there is nobody left to tell
}

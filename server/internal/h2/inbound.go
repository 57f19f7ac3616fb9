package h2

import (
	"encoding/binary"
	"errors"
)

var (
	errResets = errors.New("the client resets its calls too fast")
	errWindow = errors.New("the client's flow-control window exceeds the maximum of HTTP/2")
)

// inbound parses what the peer sends.
type inbound struct {
	frames
	conn    *Conn
	preface int // bytes of it to come

	last   uint32 // the stream that was opened last
	first  bool   // no part of the payload of the current DATA frame has been parsed
	pad    int    // bytes of padding at its end
	resets resetRate
}

var _ frameHandler = (*inbound)(nil)

// remaining returns how many bytes of the preface, header or payload are missing.
func (in *inbound) remaining() int {
	if in.preface > 0 {
		return in.preface
	}
	return in.frames.remaining()
}

// received parses bytes before they are passed to grpc-go. After an error they must not be
// passed on, and the connection must be closed.
func (in *inbound) received(b []byte) error {
	if in.preface > 0 {
		in.preface -= len(b) // not more than that: see remaining
		return nil
	}
	return in.parse(b, in)
}

// begin implements frameHandler.
func (in *inbound) begin() error {
	switch in.typ {
	case frameData:
		in.first, in.pad = true, 0
	case frameHeaders:
		if in.id > in.last { // else the trailers of a request
			in.last = in.id
			in.resets.opened++
		}
	case frameRST:
		guard := in.conn.guard
		if in.resets.add(guard.o.MaxResets) {
			guard.o.Count(ReasonResets)
			return errResets
		}
		in.conn.ended(in.id)
	}
	return nil
}

// payload implements frameHandler.
func (in *inbound) payload(b []byte) error {
	switch {
	case in.typ == frameData:
		in.data(b)
	case in.typ == frameWindowUpdate:
		if _, complete := in.collect(b, incrementLen); complete {
			return in.conn.grant(in.id, int64(binary.BigEndian.Uint32(in.field[:])&idMask))
		}
	case in.typ == frameSettings && in.flags&flagAck == 0:
		for complete := true; complete && len(b) > 0; {
			if b, complete = in.collect(b, settingLen); complete && binary.BigEndian.Uint16(in.field[:]) == settingInitialWindow {
				value := binary.BigEndian.Uint32(in.field[2:])
				if value > maxWindow {
					return errWindow
				}
				in.conn.setInitial(int64(value))
			}
		}
	}
	return nil
}

// data processes a part of the payload of a DATA frame.
func (in *inbound) data(b []byte) {
	overhead := int64(0)
	if in.first {
		in.first, overhead = false, dataOverhead
		if in.flags&flagPadded != 0 {
			in.pad, b = int(b[0]), b[1:]
		}
	}
	// left is what follows this part, and the padding is at the end of that.
	padding := min(len(b), max(0, in.pad-in.left))
	in.conn.arrived(in.id, b[:len(b)-padding], overhead)
}

// grant adds n bytes to the window of the connection (id 0) or of a stream.
func (c *Conn) grant(id uint32, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 {
		c.window += n
		c.progress++
		c.wakeNext()
		if c.window > maxWindow+c.writing {
			return errWindow
		}
		return nil
	}
	s := c.streams[id]
	if s == nil {
		return nil
	}
	s.granted += n
	s.progress++
	s.wakeIfWindow()
	if s.window() > maxWindow+c.writing {
		return errWindow
	}
	return nil
}

// setInitial sets the initial window, which changes the windows of all streams by the
// difference. They may become negative.
func (c *Conn) setInitial(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	larger := n > c.initial
	c.initial = n
	if !larger {
		return
	}
	for _, s := range c.streams {
		s.progress++
		s.wakeIfWindow()
	}
}

// ended forgets a stream that the peer has reset.
func (c *Conn) ended(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		c.forget(s)
	}
}

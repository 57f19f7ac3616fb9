package h2

import (
	"encoding/binary"
	"errors"
	"time"
)

var (
	errResets = errors.New("the connection's calls are reset too fast")
	errWindow = errors.New("the peer's flow-control window is larger than HTTP/2 allows")
)

// inbound is what is known of what the peer has sent.
type inbound struct {
	frames
	preface int              // bytes of it that are still to come
	scratch [settingLen]byte // a setting or the increment of a window
	filled  int

	last   uint32 // the stream that was opened last
	resets rate
}

// rate counts calls and how many of them were reset, for a second at a time.
type rate struct {
	since         time.Time
	opened, reset int
}

// add counts a reset, and reports whether there are more than most in the second, and
// at least half as many as calls: a peer may well give up many of many calls.
func (r *rate) add(most int) bool {
	if now := time.Now(); now.Sub(r.since) >= time.Second {
		*r = rate{since: now}
	}
	r.reset++
	return r.reset > most && 2*r.reset >= r.opened
}

func (in *inbound) part() int {
	if in.preface > 0 {
		return in.preface
	}
	return in.frames.part()
}

// received looks at bytes that are handed to grpc-go next. On an error they must not
// be, and the connection must be closed.
func (c *Conn) received(b []byte) error {
	in := &c.in
	if in.preface > 0 {
		in.preface -= len(b) // no more than that: see part
		return nil
	}
	for len(b) > 0 {
		begun, payload, rest := in.step(b)
		b = rest
		if begun {
			in.filled = 0
			switch in.typ {
			case frameHeaders:
				if in.id > in.last { // not the trailers of a request
					in.last = in.id
					in.resets.opened++
				}
			case frameRST:
				if in.resets.add(c.guard.o.MaxResets) {
					c.guard.o.Count(ReasonResets)
					return errResets
				}
				c.ended(in.id)
			}
			continue
		}
		if err := c.receivedPayload(payload); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) receivedPayload(b []byte) error {
	in := &c.in
	size := 0
	switch {
	case in.typ == frameWindowUpdate:
		size = 4
	case in.typ == frameSettings && in.flags&flagAck == 0:
		size = settingLen
	default:
		return nil
	}
	for len(b) > 0 {
		n := copy(in.scratch[in.filled:size], b)
		b = b[n:]
		if in.filled += n; in.filled < size {
			return nil
		}
		in.filled = 0
		value := binary.BigEndian.Uint32(in.scratch[size-4:])
		if in.typ == frameWindowUpdate {
			if err := c.grant(in.id, int64(value&idMask)); err != nil {
				return err
			}
		} else if binary.BigEndian.Uint16(in.scratch[:]) == settingInitialWindow {
			if value > maxWindow {
				return errWindow
			}
			c.setInitial(int64(value))
		}
	}
	return nil
}

// grant makes a window larger: the connection's, or that of a stream.
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
	s.awakeIfWindow()
	if c.initial+s.granted > maxWindow+c.writing {
		return errWindow
	}
	return nil
}

// setInitial changes the windows of all streams.
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
		s.awakeIfWindow()
	}
}

// ended forgets a stream that one side has ended.
func (c *Conn) ended(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		c.forget(s)
	}
}

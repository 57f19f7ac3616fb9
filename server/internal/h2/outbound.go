package h2

import (
	"encoding/binary"
	"errors"
)

// prefixLen is the length of what gRPC puts before each message: whether it is
// compressed, and its length.
const prefixLen = 5

// Codes of RST_STREAM with which a server answers what no client does that keeps to
// the protocol. Others are sent to honest ones as well: calls that end before their
// requests have, or at their deadline, or when there are too many.
const (
	codeProtocol     = 0x1
	codeInternal     = 0x2
	codeFlowControl  = 0x3
	codeStreamClosed = 0x5
	codeFrameSize    = 0x6
)

var errFaults = errors.New("the connection's calls are made to be reset")

// outbound is what is known of what was sent.
type outbound struct {
	frames
	stream *Stream // whose DATA this is; nil: nobody's who is still known
	code   [4]byte // of RST_STREAM
	filled int
	faults rate // resets that the peer has provoked
}

// sent looks at bytes that are on the wire now. On an error the connection must be
// closed. The caller holds c.mu.
func (c *Conn) sent(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	out := &c.out
	for len(b) > 0 {
		begun, payload, rest := out.step(b)
		b = rest
		if begun {
			out.filled = 0
			switch out.typ {
			case frameData:
				out.stream = c.streams[out.id]
			case frameHeaders:
				if out.flags&flagEndStream != 0 {
					if s := c.streams[out.id]; s != nil {
						c.forget(s)
					}
				}
			}
			continue
		}
		switch out.typ {
		case frameData:
			c.window -= int64(len(payload))
			if s := out.stream; s != nil && !s.gone {
				s.sent(payload)
			}
		case frameRST:
			out.filled += copy(out.code[out.filled:], payload)
			if out.filled < len(out.code) {
				continue
			}
			if s := c.streams[out.id]; s != nil {
				c.forget(s)
			}
			if c.isFault() && out.faults.add(c.guard.o.MaxResets) {
				c.guard.o.Count(ReasonResets)
				return errFaults
			}
		}
	}
	c.progress++
	c.wakeNext()
	return nil
}

func (c *Conn) isFault() bool {
	switch binary.BigEndian.Uint32(c.out.code[:]) {
	case codeProtocol, codeInternal, codeFlowControl, codeStreamClosed, codeFrameSize:
		return true
	}
	return false
}

// sent takes bytes of the stream's messages that are on the wire now. It follows the
// messages, whose lengths are before them: a compressed one is shorter than what was
// reserved for it.
func (s *Stream) sent(b []byte) {
	s.granted -= int64(len(b))
	s.progress++
	for len(b) > 0 {
		if whole := s.wholeMessage(b); whole > 0 {
			b = b[whole:]
			s.delivered()
			continue
		}
		if s.left > 0 {
			n := min(s.left, len(b))
			s.left -= n
			b = b[n:]
			s.written(int64(n))
			if s.left == 0 {
				s.delivered()
			}
			continue
		}
		n := copy(s.prefix[s.prefixed:], b)
		b = b[n:]
		s.written(int64(n))
		if s.prefixed += n; s.prefixed < prefixLen {
			continue
		}
		s.prefixed = 0
		if s.left = int(binary.BigEndian.Uint32(s.prefix[1:])); s.left == 0 {
			s.delivered()
		}
	}
	s.awakeIfWindow()
}

// wholeMessage returns the length of the message that b begins with if all of it is
// there, as it mostly is where messages are small, else 0.
func (s *Stream) wholeMessage(b []byte) int {
	if s.left > 0 || s.prefixed > 0 || len(b) < prefixLen {
		return 0
	}
	if n := prefixLen + int(binary.BigEndian.Uint32(b[1:])); n <= len(b) {
		return n
	}
	return 0
}

// written takes n bytes of the first message in the queue from what is reserved.
func (s *Stream) written(n int64) {
	if len(s.queue) > 0 {
		m := &s.queue[0]
		s.free(m, min(n, m.window), min(n, m.memory))
	}
}

// delivered takes the first message off the queue, and what is left of it.
func (s *Stream) delivered() {
	if len(s.queue) == 0 {
		return
	}
	m := &s.queue[0]
	s.free(m, m.window, m.memory)
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = s.first[:0]
	}
}

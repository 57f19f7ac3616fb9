package h2

import (
	"encoding/binary"
	"errors"
)

// Codes of RST_STREAM that a server sends only to a client that violates the protocol.
// Others are sent to honest clients too: if a call ends before its requests do, or at its
// deadline, or if there are too many calls.
const (
	codeProtocol     = 0x1
	codeInternal     = 0x2
	codeFlowControl  = 0x3
	codeStreamClosed = 0x5
	codeFrameSize    = 0x6
)

var errFaults = errors.New("the client makes the server reset its calls too fast")

// outbound parses what the server has sent. It is guarded by conn.mu.
type outbound struct {
	frames
	conn   *Conn
	stream *Stream   // the stream of the current DATA frame; nil: it has ended
	faults resetRate // resets that the peer has provoked
}

var _ frameHandler = (*outbound)(nil)

// sent parses bytes that are on the wire. After an error the connection must be closed. The
// caller holds conn.mu.
func (out *outbound) sent(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := out.parse(b, out); err != nil {
		return err
	}
	out.conn.progress++
	out.conn.wakeNext()
	return nil
}

// begin implements frameHandler.
func (out *outbound) begin() error {
	switch {
	case out.typ == frameData:
		out.stream = out.conn.streams[out.id]
	case out.typ == frameHeaders && out.flags&flagEndStream != 0:
		out.ended()
	}
	return nil
}

// payload implements frameHandler.
func (out *outbound) payload(b []byte) error {
	c := out.conn
	switch out.typ {
	case frameData:
		c.window -= int64(len(b))
		if s := out.stream; s != nil && !s.ended {
			s.sent(b)
		}
	case frameRST:
		if _, complete := out.collect(b, codeLen); !complete {
			return nil
		}
		out.ended()
		if out.isFault() && out.faults.add(c.guard.o.MaxResets) {
			c.guard.o.Count(ReasonResets)
			return errFaults
		}
	}
	return nil
}

// ended forgets the stream of the current frame.
func (out *outbound) ended() {
	if s := out.conn.streams[out.id]; s != nil {
		out.conn.forget(s)
	}
}

// isFault reports whether the code of the current RST_STREAM means a violation.
func (out *outbound) isFault() bool {
	switch binary.BigEndian.Uint32(out.field[:]) {
	case codeProtocol, codeInternal, codeFlowControl, codeStreamClosed, codeFrameSize:
		return true
	}
	return false
}

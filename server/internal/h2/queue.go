package h2

import "encoding/binary"

// prefixLen is the length of the prefix of each gRPC message: a flag for compression and the
// length of the message.
const prefixLen = 5

// reservation is what a message has reserved: bytes of the peer's window and of memory.
type reservation struct{ window, memory int64 }

// written is the part of the current message that is on the wire.
type written struct {
	prefix   [prefixLen]byte
	prefixed int // bytes of prefix
	left     int // bytes of the message to come
}

// enqueue adds a message of size bytes to the queue, with what was reserved for it or with
// a reservation that succeeds at once. The caller must pass the message to grpc-go next.
func (s *Stream) enqueue(size int64) bool {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.ended {
		return true // grpc-go returns the error
	}
	if s.next.memory == 0 && s.tryReserve(whole(size), false) != forNothing {
		return false
	}
	s.queue = append(s.queue, s.next)
	s.next = reservation{}
	if c.watch == nil {
		c.watchQueues()
	}
	return true
}

// dequeueLast removes the message that was enqueued last, because grpc-go refused it.
func (s *Stream) dequeueLast() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if last := len(s.queue) - 1; last >= 0 {
		m := &s.queue[last]
		s.release(m, m.window, m.memory)
		s.queue = s.queue[:last]
	}
}

// sent accounts for bytes of the stream's messages that are on the wire. It follows the
// length prefixes, because a compressed message is shorter than its reservation.
func (s *Stream) sent(b []byte) {
	s.granted -= int64(len(b))
	s.progress++
	w := &s.written
	for len(b) > 0 {
		if n := w.wholeMessage(b); n > 0 {
			b = b[n:]
			s.delivered()
			continue
		}
		if w.left > 0 {
			n := min(w.left, len(b))
			w.left -= n
			b = b[n:]
			s.partSent(int64(n))
			if w.left == 0 {
				s.delivered()
			}
			continue
		}
		n := copy(w.prefix[w.prefixed:], b)
		b = b[n:]
		s.partSent(int64(n))
		if w.prefixed += n; w.prefixed < prefixLen {
			continue
		}
		w.prefixed = 0
		if w.left = int(binary.BigEndian.Uint32(w.prefix[1:])); w.left == 0 {
			s.delivered()
		}
	}
	s.wakeIfWindow()
}

// wholeMessage returns the length of the message at the start of b if b contains all of it,
// which is the usual case for small messages, else 0.
func (w *written) wholeMessage(b []byte) int {
	if w.left > 0 || w.prefixed > 0 || len(b) < prefixLen {
		return 0
	}
	if n := prefixLen + int(binary.BigEndian.Uint32(b[1:])); n <= len(b) {
		return n
	}
	return 0
}

// partSent releases n bytes of the reservation of the first message in the queue.
func (s *Stream) partSent(n int64) {
	if len(s.queue) > 0 {
		m := &s.queue[0]
		s.release(m, min(n, m.window), min(n, m.memory))
	}
}

// delivered removes the first message from the queue and releases the rest of its
// reservation.
func (s *Stream) delivered() {
	if len(s.queue) == 0 {
		return
	}
	m := &s.queue[0]
	s.release(m, m.window, m.memory)
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = s.first[:0]
	}
}

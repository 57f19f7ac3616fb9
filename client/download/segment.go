package download

import (
	"hash/crc32"
	"io"

	"google.golang.org/grpc/mem"
)

// segment is the data that one call has received so far, in the transport's buffers:
// bytes are not copied before they have been verified.
type segment struct {
	parts [][]byte
	size  int64
	crc   uint32
	held  []mem.BufferSlice // the buffers that hold the parts
}

var _ io.WriterTo = (*segment)(nil)

// add appends parts. They are in held, if that is not nil, which the segment then owns.
func (s *segment) add(parts [][]byte, held mem.BufferSlice) {
	for _, p := range parts {
		s.size += int64(len(p))
		s.crc = crc32.Update(s.crc, castagnoli, p)
	}
	s.parts = append(s.parts, parts...)
	if held != nil {
		s.held = append(s.held, held)
	}
}

// WriteTo writes the segment, one part at a time.
func (s *segment) WriteTo(w io.Writer) (n int64, err error) {
	for _, p := range s.parts {
		k, err := w.Write(p)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// free empties the segment and returns the buffers to the transport.
func (s *segment) free() {
	for _, h := range s.held {
		h.Free()
	}
	*s = segment{}
}

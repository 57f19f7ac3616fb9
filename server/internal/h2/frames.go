package h2

import "encoding/binary"

// What is looked at of HTTP/2 (RFC 9113): types of frames, flags and settings.
const (
	headerLen  = 9
	prefaceLen = 24 // what a client sends before its first frame

	frameData         = 0x0
	frameHeaders      = 0x1
	frameRST          = 0x3
	frameSettings     = 0x4
	frameWindowUpdate = 0x8

	flagEndStream = 0x1
	flagAck       = 0x1 // of SETTINGS

	settingInitialWindow = 0x4
	settingLen           = 6

	defaultWindow = 65_535
	maxWindow     = 1<<31 - 1
	idMask        = 1<<31 - 1
)

// frames finds the frames in a stream of bytes, which may come in pieces of any size.
type frames struct {
	header [headerLen]byte
	have   int // bytes of header
	left   int // bytes of the payload that are still to come

	typ, flags byte
	id         uint32 // of the stream
}

// part returns how many bytes are left of the header or the payload that is next.
func (f *frames) part() int {
	if f.left > 0 {
		return f.left
	}
	return headerLen - f.have
}

// step takes the first bytes of b, and returns the rest. Either a header was completed
// by them, or they are payload, or neither.
func (f *frames) step(b []byte) (begun bool, payload, rest []byte) {
	if f.left > 0 {
		n := min(f.left, len(b))
		f.left -= n
		return false, b[:n], b[n:]
	}
	n := copy(f.header[f.have:], b)
	if f.have += n; f.have < headerLen {
		return false, nil, b[n:]
	}
	h := &f.header
	f.have = 0
	f.left = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f.typ, f.flags = h[3], h[4]
	f.id = binary.BigEndian.Uint32(h[5:]) & idMask
	return true, nil, b[n:]
}

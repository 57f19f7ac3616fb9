package h2

import "encoding/binary"

// The parts of HTTP/2 (RFC 9113) that are parsed: frame types, flags and settings.
const (
	headerLen  = 9
	prefaceLen = 24 // the connection preface of a client

	frameData         = 0x0
	frameHeaders      = 0x1
	frameRST          = 0x3
	frameSettings     = 0x4
	frameWindowUpdate = 0x8

	flagEndStream = 0x1
	flagAck       = 0x1 // of SETTINGS
	flagPadded    = 0x8 // of DATA

	settingInitialWindow = 0x4
	settingLen           = 6
	incrementLen         = 4 // of WINDOW_UPDATE
	codeLen              = 4 // of RST_STREAM

	defaultWindow = 65_535
	maxWindow     = 1<<31 - 1
	idMask        = 1<<31 - 1
)

// frames parses a stream of HTTP/2 frames that arrives in parts of any size.
type frames struct {
	header [headerLen]byte
	have   int // bytes of header
	left   int // bytes of the payload to come

	typ, flags byte
	id         uint32 // of the stream

	field    [settingLen]byte // see collect
	fieldLen int
}

// frameHandler processes the frames that frames finds.
type frameHandler interface {
	// begin is called after each frame header.
	begin() error
	// payload is called with the parts of a payload, in order.
	payload(b []byte) error
}

// remaining returns how many bytes of the current header or payload are missing.
func (f *frames) remaining() int {
	if f.left > 0 {
		return f.left
	}
	return headerLen - f.have
}

// parse parses the next bytes of the stream.
func (f *frames) parse(b []byte, to frameHandler) error {
	for len(b) > 0 {
		if f.left > 0 {
			part := b[:min(f.left, len(b))]
			b = b[len(part):]
			f.left -= len(part)
			if err := to.payload(part); err != nil {
				return err
			}
			continue
		}
		n := copy(f.header[f.have:], b)
		b = b[n:]
		if f.have += n; f.have < headerLen {
			return nil
		}
		h := &f.header
		f.have, f.fieldLen = 0, 0
		f.left = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
		f.typ, f.flags = h[3], h[4]
		f.id = binary.BigEndian.Uint32(h[5:]) & idMask
		if err := to.begin(); err != nil {
			return err
		}
	}
	return nil
}

// collect gathers size bytes of a payload in f.field. It returns the bytes after them, and
// reports whether the field is complete.
func (f *frames) collect(b []byte, size int) (rest []byte, complete bool) {
	n := copy(f.field[f.fieldLen:size], b)
	if f.fieldLen += n; f.fieldLen < size {
		return nil, false
	}
	f.fieldLen = 0
	return b[n:], true
}

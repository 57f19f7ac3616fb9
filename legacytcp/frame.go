package legacytcp

import "strconv"

const (
	// maxFrame is the number of bytes by which a frame of the number dialect
	// must have ended. An int64 takes 20 and its end one.
	maxFrame = 64

	// inputSize holds the longest request of the file dialect, 1,024 bytes, with
	// CR and LF and one byte more that shows it to be too long. 1,152 is the
	// size class of the allocator above it.
	inputSize = 1_152
)

// input is what has been read from a connection and not been used yet.
type input struct {
	data       [inputSize]byte
	start, end int
}

func (in *input) unread() []byte { return in.data[in.start:in.end] }

// space returns the free part, which is never empty if there is no complete
// frame and no frame too long among the unread bytes.
func (in *input) space() []byte {
	if in.start > 0 {
		in.end = copy(in.data[:], in.unread())
		in.start = 0
	}
	return in.data[in.end:]
}

func (in *input) added(n int) { in.end += n }

// take uses up all that is unread.
func (in *input) take() []byte {
	b := in.unread()
	in.start = in.end
	return b
}

// frameState says what next found.
type frameState uint8

const (
	frameComplete frameState = iota
	frameIncomplete
	frameTooLong
)

// next uses up the next frame that is not empty and returns it without its end.
// It is valid until the next call of space.
func (in *input) next() ([]byte, frameState) {
	for i := in.start; i < in.end; i++ {
		switch {
		case !isEnd(in.data[i]):
			if i-in.start == maxFrame-1 {
				return nil, frameTooLong
			}
		case i == in.start:
			in.start++
		default:
			frame := in.data[in.start:i]
			in.start = i + 1
			return frame, frameComplete
		}
	}
	return nil, frameIncomplete
}

func isEnd(b byte) bool   { return b == ' ' || b == '\r' || b == '\n' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// dialect is what a connection's first bytes tell.
type dialect uint8

const (
	undecided dialect = iota // nothing or digits only: more bytes, or none, will tell
	numberDialect
	fileDialect
)

// sniff tells the dialect from the first bytes of a connection. Once it is
// decided, no further byte changes it.
func sniff(first []byte) dialect {
	for i, b := range first {
		switch {
		case isDigit(b) && i == maxFrame-1:
			return numberDialect // where it is a frame too long
		case isDigit(b):
		case i > 0 && isEnd(b):
			return numberDialect
		default:
			return fileDialect
		}
	}
	return undecided
}

// requestKind is what a frame of the number dialect asks for.
type requestKind uint8

const (
	requestBad requestKind = iota
	requestReport
	requestEven
	requestOdd
)

// parseRequest reads a frame; value is that of a report.
func parseRequest(frame []byte) (kind requestKind, value int64) {
	switch string(frame) {
	case "odd":
		return requestOdd, 0
	case "even":
		return requestEven, 0
	}
	value, ok := parseValue(frame)
	if !ok {
		return requestBad, 0
	}
	return requestReport, value
}

// safeDigits is how many digits fit an int64, whatever they are.
const safeDigits = 18

// parseValue does what strconv.ParseInt does, in half the time for values that are
// short: of a client that floods the gateway with values, most of the cost is here.
func parseValue(frame []byte) (value int64, ok bool) {
	digits := frame
	if digits[0] == '-' || digits[0] == '+' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > safeDigits {
		value, err := strconv.ParseInt(string(frame), 10, 64)
		return value, err == nil
	}
	for _, b := range digits {
		if !isDigit(b) {
			return 0, false
		}
		value = 10*value + int64(b-'0')
	}
	if frame[0] == '-' {
		value = -value
	}
	return value, true
}

// appendRequest appends the frame that parseRequest reads as kind and value.
func appendRequest(dst []byte, kind requestKind, value int64) []byte {
	switch kind {
	case requestOdd:
		dst = append(dst, "odd"...)
	case requestEven:
		dst = append(dst, "even"...)
	default:
		dst = strconv.AppendInt(dst, value, 10)
	}
	return append(dst, ' ')
}

// appendReply appends a reply of the number dialect, bare if it is to be
// without the sentinel.
func appendReply(dst []byte, n int64, bare bool) []byte {
	dst = strconv.AppendInt(dst, n, 10)
	if bare {
		return dst
	}
	return append(dst, ' ')
}

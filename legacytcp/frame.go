package legacytcp

import "strconv"

const (
	// maxFrame is the maximum length of a frame of the number dialect, with its end. An
	// int64 takes 20 bytes and its end one.
	maxFrame = 64

	// inputSize has room for the longest request of the file dialect, 1,024 bytes, CR, LF,
	// and one byte more, which shows that a request is too long. 1,152 is the allocator's
	// next size class.
	inputSize = 1_152
)

// input is what has been read from a connection and not been consumed yet.
type input struct {
	data       [inputSize]byte
	start, end int
}

func (in *input) unread() []byte { return in.data[in.start:in.end] }

// space returns the free part. It is never empty unless the unread bytes have a complete
// frame, or one that is too long.
func (in *input) space() []byte {
	if in.start > 0 {
		in.end = copy(in.data[:], in.unread())
		in.start = 0
	}
	return in.data[in.end:]
}

func (in *input) added(n int) { in.end += n }

// take consumes and returns all unread bytes.
func (in *input) take() []byte {
	b := in.unread()
	in.start = in.end
	return b
}

// frameState is the result of next.
type frameState uint8

const (
	frameComplete frameState = iota
	frameIncomplete
	frameTooLong
)

// next consumes the next frame that is not empty and returns it without its end. The
// frame is valid until the next call of space.
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

// dialect is what the first bytes of a connection decide.
type dialect uint8

const (
	undecided dialect = iota // nothing or only digits: more bytes, or none, decide
	numberDialect
	fileDialect
)

// sniff returns the dialect of a connection by its first bytes. Further bytes do not
// change a decision.
func sniff(first []byte) dialect {
	for i, b := range first {
		switch {
		case isDigit(b) && i == maxFrame-1:
			return numberDialect // which rejects the frame as too long
		case isDigit(b):
		case i > 0 && isEnd(b):
			return numberDialect
		default:
			return fileDialect
		}
	}
	return undecided
}

// requestKind is the kind of a frame of the number dialect.
type requestKind uint8

const (
	requestBad requestKind = iota
	requestReport
	requestEven
	requestOdd
)

// parseRequest parses a frame. value is that of a report.
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

// safeDigits is the number of digits that always fit into an int64.
const safeDigits = 18

// parseValue does the same as strconv.ParseInt, in half the time for short values. Most
// of the cost of a flood of values is here.
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

// appendReply appends a reply of the number dialect, without the sentinel if bare.
func appendReply(dst []byte, n int64, bare bool) []byte {
	dst = strconv.AppendInt(dst, n, 10)
	if bare {
		return dst
	}
	return append(dst, ' ')
}

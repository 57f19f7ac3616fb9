package legacytcp

import (
	"slices"
	"strings"
	"testing"
)

// frames returns the frames of s, read n bytes at a time, and whether the last one was too
// long.
func frames(tb testing.TB, s string, n int) (all []string, tooLong bool) {
	tb.Helper()
	var in input
	for {
		frame, state := in.next()
		switch state {
		case frameComplete:
			all = append(all, string(frame))
			continue
		case frameTooLong:
			return all, true
		}
		if s == "" {
			return all, false
		}
		space := in.space()
		if len(space) < inputSize-maxFrame {
			tb.Fatalf("%d bytes of space, want %d at least", len(space), inputSize-maxFrame)
		}
		k := copy(space, s[:min(n, len(s))])
		in.added(k)
		s = s[k:]
	}
}

// TestFrames cuts frames at every kind of boundary, with reads of several sizes.
func TestFrames(t *testing.T) {
	long := strings.Repeat("x", maxFrame-1)
	for _, tt := range []struct {
		in      string
		want    []string
		tooLong bool
	}{
		{"", nil, false},
		{"odd", nil, false},
		{"odd ", []string{"odd"}, false},
		{" \r\n odd\r\neven\n12", []string{"odd", "even"}, false},
		{long + " odd ", []string{long, "odd"}, false},
		{long + "x odd ", nil, true},
		{long + "xx odd ", nil, true},
		{"odd " + long + "x", []string{"odd"}, true},
		{strings.Repeat(" ", 5*inputSize) + "odd ", []string{"odd"}, false},
		{strings.Repeat("1 ", 5*inputSize), slices.Repeat([]string{"1"}, 5*inputSize), false},
	} {
		for _, n := range []int{1, 2, 7, maxFrame - 1, maxFrame, maxFrame + 1, inputSize, 1 << 20} {
			got, tooLong := frames(t, tt.in, n)
			if !slices.Equal(got, tt.want) || tooLong != tt.tooLong {
				t.Errorf("%.80q, %d bytes at a time = %.80q, %v, want %.80q, %v", tt.in, n, got, tooLong, tt.want, tt.tooLong)
			}
		}
	}
}

// TestParseRequest parses valid and invalid requests.
func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		frame string
		kind  requestKind
		value int64
	}{
		{"odd", requestOdd, 0},
		{"even", requestEven, 0},
		{"0", requestReport, 0},
		{"+7", requestReport, 7},
		{"-007", requestReport, -7},
		{"9223372036854775807", requestReport, 1<<63 - 1},
		{"-9223372036854775808", requestReport, -1 << 63},
		{"9223372036854775808", requestBad, 0},
		{"-9223372036854775809", requestBad, 0},
		{"ODD", requestBad, 0},
		{"odd\x00", requestBad, 0},
		{"1_0", requestBad, 0},
		{"0x1", requestBad, 0},
		{"1.", requestBad, 0},
		{"+", requestBad, 0},
		{"٣", requestBad, 0},
	} {
		if kind, value := parseRequest([]byte(tt.frame)); kind != tt.kind || value != tt.value {
			t.Errorf("parseRequest(%q) = %d, %d, want %d, %d", tt.frame, kind, value, tt.kind, tt.value)
		}
	}
}

// TestFramesDoNotAllocate covers the path of the frames that each client sends twice a second.
func TestFramesDoNotAllocate(t *testing.T) {
	var in input
	var replies []byte
	if got := testing.AllocsPerRun(100, func() {
		in.added(copy(in.space(), "-9223372036854775808 odd "))
		for {
			frame, state := in.next()
			if state != frameComplete {
				break
			}
			_, value := parseRequest(frame)
			replies = appendReply(replies[:0], value, false)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func TestSniff(t *testing.T) {
	for _, tt := range []struct {
		first string
		want  dialect
	}{
		{"", undecided},
		{"3748", undecided},
		{strings.Repeat("1", maxFrame-1), undecided},
		{strings.Repeat("1", maxFrame-1) + " ", numberDialect},
		{strings.Repeat("1", maxFrame-1) + "x", fileDialect},
		{strings.Repeat("1", maxFrame), numberDialect}, // to be closed as a frame too long
		{strings.Repeat("1", maxFrame) + "x", numberDialect},
		{"3748 ", numberDialect},
		{"3748\r", numberDialect},
		{"3748\n", numberDialect},
		{"3748 report.pdf", numberDialect},
		{"3748.pdf", fileDialect},
		{"+3748 ", fileDialect},
		{" 3748 ", fileDialect},
		{"٣ ", fileDialect},
		{"list", fileDialect},
	} {
		if got := sniff([]byte(tt.first)); got != tt.want {
			t.Errorf("sniff(%q) = %d, want %d", tt.first, got, tt.want)
		}
	}
}

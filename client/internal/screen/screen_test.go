package screen

import (
	"strings"
	"testing"

	"example.com/parity/client/internal/terminal"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"}, {"", 0, ""}, {"a", 0, "…"},
	} {
		if got := cut(c.text, c.width); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestFrame(t *testing.T) {
	lines := []Line{{"one \x1b[2J", terminal.Red}, {"日本語", ""}, {"three", ""}}
	got := string(frame(lines, terminal.Style{}, 5, 2))
	if want := "\x1b[Hone …\x1b[K\r\n日本…\x1b[K\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLive: without a terminal that tells its size, it has 80 columns.
func TestLive(t *testing.T) {
	var b strings.Builder
	l := &Live{out: &b, fd: -1}
	l.Set("one \x1b[2J")
	l.Write([]byte("above\n"))
	l.Set("two")
	l.Close()
	if want := "\r\x1b[Kone \\x1b[2J" + "\r\x1b[Kabove\none \\x1b[2J" + "\r\x1b[Ktwo" + "\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	l.Set(strings.Repeat("x", 100))
	if want := "\r\x1b[K" + strings.Repeat("x", 78) + "…"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

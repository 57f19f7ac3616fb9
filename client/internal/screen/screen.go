// Package screen draws on terminals: a whole screen, or one line that is rewritten in place.
// What it draws is safe: control characters are escaped.
package screen

import (
	"bytes"
	"io"
	"os"
	"strings"

	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"example.com/parity/client/internal/terminal"
)

// Control sequences of terminals (ECMA-48, xterm).
const (
	alternate  = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	normal     = "\x1b[?25h\x1b[?1049l"
	home       = "\x1b[H"
	clearLine  = "\r\x1b[K"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
)

// CtrlC is the key that a terminal in raw mode does not turn into a signal.
const CtrlC = 3

const (
	// defaultWidth and defaultHeight are those of a terminal that does not tell its size, in
	// characters.
	defaultWidth  = 80
	defaultHeight = 24
)

// Line is a line of a screen.
type Line struct {
	Text  string
	Color terminal.Color
}

// Screen is a terminal that shows nothing but what Draw draws, until Close.
type Screen struct {
	in, out *os.File
	style   terminal.Style
	saved   *term.State // of in, if that is a terminal
}

// Open takes over a terminal. in may be nil, or no terminal: then there are no keys, and
// Ctrl-C remains a signal.
func Open(in, out *os.File) (*Screen, error) {
	s := &Screen{out: out, style: terminal.StyleOf(out)}
	if in != nil && terminal.Is(in) {
		saved, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return nil, err
		}
		s.in, s.saved = in, saved
	}
	if _, err := io.WriteString(out, alternate); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close restores the terminal, with what it showed before.
func (s *Screen) Close() {
	_, _ = io.WriteString(s.out, normal)
	if s.saved != nil {
		_ = term.Restore(int(s.in.Fd()), s.saved) // what else could one do
	}
}

// Keys calls pressed for each byte that is typed, on a goroutine of its own. It ends with
// the input only: it is for programs that end after Close.
func (s *Screen) Keys(pressed func(key byte)) {
	if s.in == nil {
		return
	}
	go func() {
		var buf [16]byte
		for {
			n, err := s.in.Read(buf[:])
			for _, key := range buf[:n] {
				pressed(key)
			}
			if err != nil {
				return
			}
		}
	}()
}

// Size returns the size of the terminal in characters.
func (s *Screen) Size() (width, height int) { return size(int(s.out.Fd())) }

// Draw replaces what is shown. Lines that are too long are cut off; so are those for which
// there is no room.
func (s *Screen) Draw(lines []Line) error {
	width, height := s.Size()
	_, err := s.out.Write(frame(lines, s.style, width, height))
	return err
}

// frame returns what to write for a screen of that size. It overwrites what was there, as
// clearing first would flicker.
func frame(lines []Line, style terminal.Style, width, height int) []byte {
	var b bytes.Buffer
	b.WriteString(home)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(style.Paint(line.Color, cut(terminal.Escape(line.Text), width)))
		b.WriteString(clearRight)
	}
	b.WriteString(clearBelow)
	return b.Bytes()
}

func size(fd int) (width, height int) {
	width, height, err := term.GetSize(fd)
	if err != nil || width <= 0 || height <= 0 {
		return defaultWidth, defaultHeight
	}
	return width, height
}

// cut returns as much of text as fits into a number of columns.
func cut(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	room := width - 1 // for the ellipsis
	for g := uniseg.NewGraphemes(text); g.Next() && g.Width() <= room; {
		b.WriteString(g.Str())
		room -= g.Width()
	}
	return b.String() + "…"
}

package screen

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"example.com/parity/client/internal/terminal"
)

// promptRoom is the room that is left behind the line for what is typed.
const promptRoom = 8

// Live is one line at the bottom of a terminal that is rewritten in place. It is also a
// writer of lines above it. It may have a prompt behind it. Its methods may be called
// concurrently.
type Live struct {
	mu   sync.Mutex
	out  io.Writer
	fd   int // of the terminal
	text string

	// If there is a prompt:
	prompt *term.Terminal
	in     int // the terminal that is read
	saved  *term.State
}

// NewLive returns an empty line on a terminal.
func NewLive(out *os.File) *Live { return &Live{out: out, fd: int(out.Fd())} }

// NewPrompt returns an empty line that has a prompt behind it, and sets the terminal to
// raw mode until Close.
func NewPrompt(in, out *os.File) (*Live, error) {
	l := NewLive(out)
	l.in = int(in.Fd())
	saved, err := term.MakeRaw(l.in)
	if err != nil {
		return nil, err
	}
	l.saved = saved
	l.prompt = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "> ")
	return l, nil
}

// Read reads what is typed at the prompt, in lines. It returns io.EOF after Ctrl-C and
// Ctrl-D. It is for one reader, whose buffer has room for a line.
func (l *Live) Read(p []byte) (int, error) {
	line, err := l.prompt.ReadLine()
	if err != nil {
		return 0, err
	}
	return copy(p, line+"\n"), nil
}

// Set replaces the line. What does not fit into the terminal is cut off.
func (l *Live) Set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, height := size(l.fd)
	text = terminal.Escape(text)
	if l.prompt == nil {
		l.text = cut(text, width-1)
		io.WriteString(l.out, clearLine+l.text)
		return
	}
	l.text = cut(text, width-promptRoom)
	_ = l.prompt.SetSize(width, height)
	l.prompt.SetPrompt(l.text + " > ")
	_, _ = l.prompt.Write(nil) // draws the prompt again
}

// Write writes whole lines above the line.
func (l *Live) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prompt != nil {
		return l.prompt.Write(p)
	}
	_, err := io.WriteString(l.out, clearLine+string(p)+l.text)
	return len(p), err
}

// Close leaves the line as it is, and goes to the next one. It restores the terminal.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prompt == nil {
		if l.text != "" {
			io.WriteString(l.out, "\n")
		}
		return
	}
	l.prompt.SetPrompt("")
	_, _ = l.prompt.Write([]byte(l.text + "\n"))
	_ = term.Restore(l.in, l.saved) // what else could one do
}

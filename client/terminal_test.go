package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
	"example.com/parity/internal/await"
)

// tmux is a terminal of 120 columns and 24 lines, in which a shell runs.
type tmux struct {
	tb     testing.TB
	socket string
	ends   int // how many programs have ended
}

// newTmux starts a shell in tmux, with the client in its path, of the server at addr.
func newTmux(tb testing.TB, addr string) *tmux {
	tb.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		tb.Skip(err)
	}
	s := &tmux{tb: tb, socket: filepath.Join(tb.TempDir(), "tmux")}
	env := []string{asProgram + "=1", "PARITY_CLIENT_ADDR=" + addr, "LC_ALL=C.UTF-8"}
	args := []string{"-f", "/dev/null", "-u", "new-session", "-d", "-x", "120", "-y", "24"}
	for _, e := range env {
		args = append(args, "-e", e)
	}
	s.run(append(args, "sh")...)
	tb.Cleanup(func() { s.run("kill-server") })
	s.keys("PS1='shell> ' PATH="+newBinary(tb)+":$PATH; clear; echo ready", "Enter")
	s.await("ready\nshell>")
	return s
}

func (s *tmux) run(args ...string) string {
	s.tb.Helper()
	out, err := exec.CommandContext(context.Background(), "tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.tb.Fatalf("tmux %s: %v: %s", args, err, out)
	}
	return string(out)
}

// keys types keys.
func (s *tmux) keys(keys ...string) { s.run(append([]string{"send-keys"}, keys...)...) }

// text returns what the terminal shows.
func (s *tmux) text() string { return s.run("capture-pane", "-p") }

// await waits until the terminal shows each of the texts.
func (s *tmux) await(texts ...string) {
	s.tb.Helper()
	s.awaitThat(fmt.Sprintf("the terminal shows %q", texts), func(shown string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(shown, text) })
	})
}

// awaitThat waits until what the terminal shows fulfils a condition.
func (s *tmux) awaitThat(what string, holds func(shown string) bool) {
	s.tb.Helper()
	last, done := "", false
	s.tb.Cleanup(func() {
		if !done {
			s.tb.Logf("the terminal showed\n%s", last)
		}
	})
	await.That(s.tb, what, func() bool {
		last = s.text()
		return holds(last)
	})
	done = true
}

// awaitShell waits until a program has ended with that status and has left the terminal as
// it was: in line mode, with echo.
func (s *tmux) awaitShell(status int) {
	s.tb.Helper()
	s.awaitThat("the program has ended", func(shown string) bool { return strings.HasSuffix(strings.TrimSpace(shown), "shell>") })
	s.ends++
	s.keys(fmt.Sprintf(`echo "end %d: status $?, $(stty -a | tr ' ' '\n' | grep -cE '^-(icanon|echo|opost);?$')"`, s.ends), "Enter")
	s.await(fmt.Sprintf("end %d: status %d, 0\nshell>", s.ends, status))
}

// TestCountOnTerminal counts in one line with the prompt behind it, through an outage.
func TestCountOnTerminal(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	server := fakeserver.Start(t, nil, numbers)
	s := newTmux(t, server.Addr)
	s.keys("client count --id 7", "Enter")
	s.await("c: connect and count", "client 7  not connected >")
	s.keys("c", "Enter")
	s.await("client 7  2  +1  confirmed 0  connected >")
	s.keys("hel") // remains while the line changes
	s.await("  4  +1  confirmed 0  connected > hel")
	s.keys("p", "Enter")
	s.await("connected > help\nc: connect and count")

	server.Stop()
	s.await("confirmed 0  lost for ", "retry in ", " s: cannot reach "+server.Addr+": connection refused >")
	if text := s.text(); strings.Count(text, "lost for") != 1 {
		t.Errorf("an outage is more than a line:\n%s", text)
	}
	server.Restart(nil, numbers)
	s.awaitThat("it is connected again", func(shown string) bool { return strings.Count(shown, "  connected >") == 2 })
	s.keys("s", "Enter")
	s.await("shut down", "  not connected >")
	if text := s.text(); !strings.Contains(text, fmt.Sprintf("client 7  %d  +1  confirmed %[1]d  not connected >", len(numbers.Reports()))) {
		t.Errorf("%d reports, and the terminal shows\n%s", len(numbers.Reports()), text)
	}
	s.keys("exit", "Enter")
	s.awaitShell(0)
	s.keys("client count --id 7", "Enter")
	s.await("client 7  not connected >\n")
	s.keys("C-c")
	s.awaitShell(0)
}

// TestCountForOnTerminal: without a prompt too, there is one line.
func TestCountForOnTerminal(t *testing.T) {
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	s := newTmux(t, server.Addr)
	s.keys("client count --id 7 --for 1250ms", "Enter")
	s.await("client 7  2  +1  confirmed 2  connected\nshell>")
	if text := s.text(); strings.Count(text, "client 7") != 1 {
		t.Errorf("more than a line:\n%s", text)
	}
	s.awaitShell(0)
}

func TestWatchOnTerminal(t *testing.T) {
	server, _ := newWatched(t)
	s := newTmux(t, server.Addr)
	for _, quit := range []string{"q", "C-c"} {
		s.keys("client watch -i 100ms", "Enter")
		s.await(server.Addr, "serving, answers in ", "3 files", "2 clients, 4 sessions, 0 active", "newest clients", `hostile\x1b[2J`, "q ends")
		s.keys(quit)
		s.awaitShell(0)
		if text := s.text(); strings.Contains(text, "newest clients") {
			t.Errorf("left on the terminal:\n%s", text)
		}
	}
	s.keys("client watch -i 100ms", "Enter")
	s.await("q ends")
	server.Stop()
	s.await("cannot reach "+server.Addr+": connection refused (is the server running?); the rest is ", "newest clients")
	s.keys("q")
	s.awaitShell(0)
}

// TestColor: there is color on a terminal, but not with NO_COLOR.
func TestColor(t *testing.T) {
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	s := newTmux(t, server.Addr)
	s.keys("client clients", "Enter")
	s.await("LAST BY LEGACY")
	if !strings.Contains(s.run("capture-pane", "-p", "-e"), "\x1b[1m") {
		t.Error("no color")
	}
	s.keys("clear; NO_COLOR=1 client clients; client clients | cat", "Enter")
	s.awaitThat("the terminal shows two tables", func(shown string) bool { return strings.Count(shown, "LAST BY LEGACY") == 2 })
	if strings.Contains(s.run("capture-pane", "-p", "-e"), "\x1b[1m") {
		t.Error("color with NO_COLOR, or in a pipe")
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// newTerminal returns a terminal of 100 columns, and what has been written to it so far.
func newTerminal(tb testing.TB) (terminal *os.File, written func() string) {
	tb.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		tb.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		tb.Skip(err)
	}
	var mu sync.Mutex
	var text strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			mu.Lock()
			text.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	tb.Cleanup(func() { terminal.Close(); reading.Wait(); master.Close() })
	return terminal, func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

var controls = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

// TestGetTerminal: on a terminal there are bars, an outage is part of a bar, and each file
// ends in one line.
func TestGetTerminal(t *testing.T) {
	files := &fakeserver.Files{Whole: true}
	for i := range 3 {
		files.Put(fmt.Sprint("f", i), make([]byte, 2<<20))
	}
	terminal, written := newTerminal(t)
	var server *fakeserver.Server
	// The connections break, and what comes after that waits until it has been shown.
	var once sync.Once
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if call.GetOffset() > 0 && sent > 512<<10 {
			for !strings.Contains(written(), "of 2.0 MiB") {
				time.Sleep(time.Millisecond)
			}
			cut := false
			once.Do(func() { cut = true })
			if cut {
				server.Cut()
				return errors.New("cut")
			}
		}
		return nil
	}
	server = fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	status := execute(t.Context(), []string{"--addr", server.Addr, "get", "f*", "--parallel", "2"}, streams{strings.NewReader(""), io.Discard, terminal})
	fmt.Fprintln(terminal, "the end")
	for !strings.Contains(written(), "the end") {
		time.Sleep(time.Millisecond)
	}
	text := controls.ReplaceAllString(written(), "")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for i := range 3 {
		line := regexp.MustCompile(fmt.Sprintf(`f%d: 2\.0 MiB in [0-9.]+ s \([0-9.]+ [KM]iB/s\), checksum right`, i))
		if n := len(line.FindAllString(text, -1)); n != 1 {
			t.Errorf("%d last lines of f%d in %q", n, i, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "trying again") && !strings.Contains(line, "[") {
			t.Errorf("the outage took a line of its own: %q", text)
		}
	}
	if !strings.Contains(text, "f0 [") {
		t.Errorf("no bar in %q", text)
	}

	// Quiet, or with the data on the terminal, there is nothing.
	before := written()
	for _, args := range []string{"-q", "-o -"} {
		line := append([]string{"--addr", server.Addr, "get", "f0", "--force"}, strings.Fields(args)...)
		var out = io.Discard
		if args == "-o -" {
			out, line[3] = terminal, "small"
			files.Put("small", []byte("small data"))
		}
		if status := execute(t.Context(), line, streams{strings.NewReader(""), out, terminal}); status != 0 {
			t.Errorf("%s: status %d", args, status)
		}
	}
	for !strings.Contains(written(), "small data") {
		time.Sleep(time.Millisecond)
	}
	if after := strings.TrimPrefix(written(), before); after != "small data" {
		t.Errorf("the terminal shows %q", after)
	}
}

// TestGetInterrupted: after an interrupt it is said how much is kept, and the next run goes
// on from there.
func TestGetInterrupted(t *testing.T) {
	for _, parallel := range []string{"1", "3"} {
		files := &fakeserver.Files{Whole: true}
		files.Put("f", make([]byte, 20<<20))
		ctx, cancel := context.WithCancel(t.Context())
		files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
			if ctx.Err() == nil && call.GetOffset()+sent > 15<<20 {
				cancel()
				<-call.Stream.Context().Done()
			}
			return nil
		}
		server := fakeserver.Start(t, files, nil)
		t.Chdir(t.TempDir())
		args := []string{"--addr", server.Addr, "get", "f", "--parallel", parallel}
		status, out, errs := runProgram(ctx, "", args...)
		if want := regexp.MustCompile(`^client: interrupted, [0-9.]+ MiB kept; run again to go on\n$`); status != 130 || out != "" || !want.MatchString(errs) {
			t.Errorf("status %d, %q, %q", status, out, errs)
		}
		terminal, written := newTerminal(t)
		status = execute(t.Context(), args, streams{strings.NewReader(""), io.Discard, terminal})
		for !strings.Contains(written(), "checksum right") {
			time.Sleep(time.Millisecond)
		}
		if status != 0 || !strings.Contains(written(), "f: resuming at ") || !strings.Contains(written(), "20 MiB, of which ") {
			t.Errorf("resumed: status %d, %q", status, written())
		}
	}
}

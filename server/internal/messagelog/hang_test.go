//go:build unix

package messagelog

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/parity/internal/syncbuf"
)

// newPipe creates a FIFO. Writes block when its 64 KiB are full, until the test reads from
// reader.
func newPipe(tb testing.TB) (path string, reader *os.File) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "server.log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		tb.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0) // O_RDWR does not wait for a writer
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { reader.Close() })
	return path, reader
}

// waitFor waits until done returns true, for at most 30 s.
func waitFor(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("timeout waiting for %s", what)
		}
	}
}

// TestHang checks that a disk that hangs delays callers for a limited time. Lines that do
// not fit into memory are lost and counted. When the disk recovers, lines are written again.
func TestHang(t *testing.T) {
	path, reader := newPipe(t)
	var stderr syncbuf.Buffer
	l, _ := newLog(t, func(o *Options) {
		o.Path, o.Stderr, o.hangTimeout = path, &stderr, time.Second
	})
	line := strings.Repeat("x", 1000)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 3 * bufferSize / len(line) / 4 { // 1.5 times the size of both buffers
				l.Info(line)
			}
		})
	}
	callers.Wait()
	l.Reopen()
	if err := l.Health(); err == nil || !strings.Contains(err.Error(), "not been written") {
		t.Errorf("Health of a log that hangs = %v", err)
	}
	if lost := l.Lost(); lost < bufferSize/2 || lost > 2*bufferSize {
		t.Errorf("%d bytes lost, want what exceeds the buffers", lost)
	}

	var got syncbuf.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(&got, reader) })
	waitFor(t, "the log to be written", func() bool { return l.Health() == nil })
	l.Info("after the hang")
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	waitFor(t, "the last line", func() bool { return strings.Contains(got.String(), "after the hang") })
	reader.Close()
	reading.Wait()
	for line := range strings.Lines(got.String()) {
		if !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, "\n") {
			t.Errorf("%.100q is not a whole line", line)
		}
	}
	waitFor(t, "stderr", func() bool { return strings.Contains(stderr.String(), "written again") })
	if said := stderr.String(); !strings.HasPrefix(said, "server: the log has not been written for 1s") {
		t.Errorf("stderr says %q", said)
	}
}

// TestSlowDisk checks that a slow disk loses nothing.
func TestSlowDisk(t *testing.T) {
	path, reader := newPipe(t)
	l, _ := newLog(t, func(o *Options) { o.Path = path })
	var got bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() {
		for b := make([]byte, 64<<10); ; time.Sleep(2 * time.Millisecond) {
			n, err := reader.Read(b)
			if got.Write(b[:n]); err != nil || bytes.HasSuffix(got.Bytes(), []byte("the end\"\n")) {
				return
			}
		}
	})
	const lines = 3 * bufferSize / 1000 // 1.5 times the size of both buffers
	for range lines {
		l.Info(strings.Repeat("x", 1000))
	}
	l.Info("the end")
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	reading.Wait()
	if n := bytes.Count(got.Bytes(), []byte("\n")); n != lines+1 || l.Lost() != 0 {
		t.Errorf("%d lines arrived and %d bytes were lost, want all of %d lines", n, l.Lost(), lines+1)
	}
}

// TestCloseHanging checks that Close of a log that hangs returns at the end of its context
// or after the timeout, and says how much is lost.
func TestCloseHanging(t *testing.T) {
	for name, tt := range map[string]struct{ hangTimeout, timeout time.Duration }{
		"context ends": {time.Hour, 10 * time.Millisecond},
		"hangs":        {10 * time.Millisecond, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			path, reader := newPipe(t)
			l, _ := newLog(t, func(o *Options) { o.Path, o.Stderr, o.hangTimeout = path, io.Discard, tt.hangTimeout })
			for range 200 {
				l.Info(strings.Repeat("x", 1000))
			}
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			err := l.Close(ctx)
			if err == nil || !strings.Contains(err.Error(), "lost") || l.Lost() < 100<<10 {
				t.Errorf("Close = %v, %d bytes lost", err, l.Lost())
			}
			go io.Copy(io.Discard, reader) // the writer can end
			waitFor(t, "the writer", func() bool {
				l.out.mu.Lock()
				defer l.out.mu.Unlock()
				return l.out.ended
			})
		})
	}
}

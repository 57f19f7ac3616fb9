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
)

// newPipe makes a FIFO that hangs when its 64 KiB are full, until somebody reads
// what this returns.
func newPipe(tb testing.TB) (path string, reader *os.File) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "server.log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		tb.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0) // opening waits for nobody then
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { reader.Close() })
	return path, reader
}

// waitFor waits until done, and fails the test if that takes very long.
func waitFor(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestHang: a disk that hangs holds callers up for a while only. Lines that find no
// room are lost and counted, and when the disk is back, lines are written again.
func TestHang(t *testing.T) {
	path, reader := newPipe(t)
	var stderr syncBuffer
	l, _ := newLog(t, func(o *Options) {
		o.Path, o.Stderr, o.patience = path, &stderr, time.Second
	})
	line := strings.Repeat("x", 1000)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 3 * bufferSize / len(line) / 4 { // half as much again as there is room for
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

	var got syncBuffer
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
			t.Errorf("%.100q is no whole line", line)
		}
	}
	waitFor(t, "stderr", func() bool { return strings.Contains(stderr.String(), "written again") })
	if said := stderr.String(); !strings.HasPrefix(said, "server: the log has not been written for 1s") {
		t.Errorf("stderr says %q", said)
	}
}

// TestSlowDisk: one that takes its time loses nothing.
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
	const lines = 3 * bufferSize / 1000 // there is room for two thirds
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

// TestCloseHanging: closing a log that hangs ends with its context, or when it has
// hung for too long, and says what is lost.
func TestCloseHanging(t *testing.T) {
	for name, tt := range map[string]struct{ patience, timeout time.Duration }{
		"context ends": {time.Hour, 10 * time.Millisecond},
		"hangs":        {10 * time.Millisecond, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			path, reader := newPipe(t)
			l, _ := newLog(t, func(o *Options) { o.Path, o.Stderr, o.patience = path, io.Discard, tt.patience })
			for range 200 {
				l.Info(strings.Repeat("x", 1000))
			}
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			err := l.Close(ctx)
			if err == nil || !strings.Contains(err.Error(), "lost") || l.Lost() < 100<<10 {
				t.Errorf("Close = %v, %d bytes lost", err, l.Lost())
			}
			go io.Copy(io.Discard, reader) // so that the writer ends
			waitFor(t, "the writer", func() bool {
				l.out.mu.Lock()
				defer l.out.mu.Unlock()
				return l.out.ended
			})
		})
	}
}

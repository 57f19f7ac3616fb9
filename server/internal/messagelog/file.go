package messagelog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

// bufferSize is the size of each of two buffers, in bytes: one takes lines while the other
// is written. When both are full, callers wait, so that a slow disk loses nothing. A write
// can take most of a second while the file system syncs the register's transactions;
// 10,000 clients make 4 MiB of lines in that time.
const bufferSize = 4 << 20

// file is a log file that a goroutine of its own writes in large pieces, so that a disk
// that hangs blocks only that goroutine. The callers' side is here, the writer's in
// writer.go.
type file struct {
	stderr io.Writer
	lost   atomic.Int64 // bytes

	mu      sync.Mutex
	changed *sync.Cond // the writer has finished a turn, has ended, or hangs
	size    int        // capacity of each buffer in bytes
	buf     []byte     // takes lines
	spare   []byte     // empty, or being written
	full    bool       // spare is being written
	second  int64      // the Unix time of stamp
	stamp   []byte     // its text, up to the seconds
	reopen  bool       // the writer must open a new file
	closed  bool       // no more lines are accepted
	writerState

	wake chan struct{} // starts a turn of the writer

	// The writer's.
	disk        *lumberjack.Logger
	hangTimeout time.Duration
	watchdog    *time.Timer
}

func newFile(o Options) *file {
	size := int((o.MaxSize + 1<<20 - 1) >> 20) // MiB
	f := &file{
		stderr:      o.Stderr,
		size:        min(bufferSize, size<<20/2), // a buffer must fit into a file
		disk:        &lumberjack.Logger{Filename: o.Path, MaxSize: size, MaxBackups: o.Keep},
		wake:        make(chan struct{}, 1),
		hangTimeout: o.hangTimeout,
	}
	f.buf, f.spare = make([]byte, 0, f.size), make([]byte, 0, f.size)
	f.changed = sync.NewCond(&f.mu)
	f.startWriter()
	return f
}

// Write buffers a complete line. It never returns an error: failures go to stderr.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.makeRoom(len(line)) {
		f.buf = append(f.buf, line...)
	}
	return len(line), nil
}

// writeTimed buffers a line. The time goes between its two parts.
func (f *file) writeTimed(before string, now time.Time, after []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.makeRoom(len(before) + len("2006-01-02T15:04:05.000Z") + len(after)) {
		return
	}
	f.buf = append(f.buf, before...)
	f.buf = f.appendTime(f.buf, now)
	f.buf = append(f.buf, after...)
}

// appendTime appends the time in UTC with milliseconds. It caches the text of the current
// second, which costs more to format than the rest of a line.
func (f *file) appendTime(b []byte, now time.Time) []byte {
	if sec := now.Unix(); sec != f.second || f.stamp == nil {
		f.second, f.stamp = sec, now.UTC().AppendFormat(f.stamp[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, f.stamp...)
	ms := now.Nanosecond() / 1e6
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// makeRoom waits for room for a line of n bytes while the writer makes progress. It returns
// false if the writer hangs or has ended: the line is lost then, and counted. Memory is
// bounded. The caller holds mu.
func (f *file) makeRoom(n int) bool {
	for f.closed || len(f.buf) > 0 && len(f.buf)+n > f.size {
		switch {
		case f.closed || f.full && f.hangs:
			f.lost.Add(int64(n))
			return false
		case f.full:
			f.changed.Wait()
		default:
			f.swap()
			f.wakeWriter()
		}
	}
	return true
}

// swap swaps the buffers: the idle writer gets the lines. The caller holds mu.
func (f *file) swap() {
	f.buf, f.spare = f.spare[:0], f.buf
	f.full = len(f.spare) > 0
}

func (f *file) wakeWriter() {
	select {
	case f.wake <- struct{}{}:
	default: // a turn is due already
	}
}

// reopenNext makes the writer open a new file in its next turn. It does not wait.
func (f *file) reopenNext() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reopen = true
	f.wakeWriter()
}

// health returns an error while the writer hangs or fails. It does not wait.
func (f *file) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.hangs:
		return fmt.Errorf("the log has not been written for %v", time.Since(f.began).Round(time.Second))
	case f.failure != nil:
		return fmt.Errorf("the log cannot be written: %w", f.failure)
	}
	return nil
}

// close refuses further lines, and waits until the writer has written the buffered ones
// and closed the file, ctx ends, or the writer hangs. The rest is lost then, which is an
// error.
func (f *file) close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	})
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.changed.Broadcast()
	f.wakeWriter()
	for !f.ended && !f.hangs && ctx.Err() == nil {
		f.changed.Wait()
	}
	if f.ended {
		return f.closing
	}
	n := len(f.buf)
	if f.full {
		n += len(f.spare)
	}
	f.lost.Add(int64(n))
	return fmt.Errorf("the log hangs: the last %d bytes of its lines are lost, %d in all", n, f.lost.Load())
}

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

// bufferSize is how many bytes of lines may stay in memory, twice: while one buffer
// is written, the other takes lines. When both are full the callers wait, so that a
// slow disk slows them and loses nothing. A write can take a good part of a second
// where the file system is busy with the register's transactions; ten thousand
// clients make 4 MiB of lines in that time.
const bufferSize = 4 << 20

// file is a log file that is written in large pieces, by a goroutine of its own: a
// disk that hangs holds up that goroutine alone. The callers' side is here, the
// writer's in writer.go.
type file struct {
	stderr io.Writer
	lost   atomic.Int64 // bytes

	mu      sync.Mutex
	changed *sync.Cond // the writer has ended a turn, or itself, or hangs
	size    int        // bytes of a buffer
	buf     []byte     // takes lines
	spare   []byte     // empty, or with the writer
	full    bool       // spare is the writer's
	second  int64      // the Unix time that stamp is of
	stamp   []byte     // its text, to the second
	reopen  bool       // the writer is to begin a new file
	closed  bool       // no more lines are taken
	writerState

	wake chan struct{} // has the writer take a turn

	// The writer's.
	disk     *lumberjack.Logger
	patience time.Duration
	watchdog *time.Timer
}

func newFile(o Options) *file {
	size := int((o.MaxSize + 1<<20 - 1) >> 20) // MiB
	f := &file{
		stderr:   o.Stderr,
		size:     min(bufferSize, size<<20/2), // what is written at once must fit into a file
		disk:     &lumberjack.Logger{Filename: o.Path, MaxSize: size, MaxBackups: o.Keep},
		wake:     make(chan struct{}, 1),
		patience: o.patience,
	}
	f.buf, f.spare = make([]byte, 0, f.size), make([]byte, 0, f.size)
	f.changed = sync.NewCond(&f.mu)
	f.startWriter()
	return f
}

// Write takes a line that is complete. It never fails: what goes wrong is said on
// stderr, and service goes on.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.makeRoom(len(line)) {
		f.buf = append(f.buf, line...)
	}
	return len(line), nil
}

// writeTimed takes a line that lacks the time, which goes between the two parts.
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

// appendTime appends the time in UTC, with milliseconds. The text of the second is
// kept from line to line: making it is dearer than the rest of a line.
func (f *file) appendTime(b []byte, now time.Time) []byte {
	if sec := now.Unix(); sec != f.second || f.stamp == nil {
		f.second, f.stamp = sec, now.UTC().AppendFormat(f.stamp[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, f.stamp...)
	ms := now.Nanosecond() / 1e6
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// makeRoom sees to it that a line of n bytes may be buffered. It waits while the
// writer makes progress. Where the writer hangs, or is no more, the line is lost and
// counted, which makeRoom reports: to keep it would take memory without bound. The
// caller holds mu.
func (f *file) makeRoom(n int) bool {
	for f.closed || len(f.buf) > 0 && len(f.buf)+n > f.size {
		switch {
		case f.closed || f.full && f.hangs:
			f.lost.Add(int64(n))
			return false
		case f.full:
			f.changed.Wait()
		default:
			f.handOver()
			f.wakeWriter()
		}
	}
	return true
}

// handOver gives what is buffered to the writer, who has nothing to write. The
// caller holds mu.
func (f *file) handOver() {
	f.buf, f.spare = f.spare[:0], f.buf
	f.full = len(f.spare) > 0
}

func (f *file) wakeWriter() {
	select {
	case f.wake <- struct{}{}:
	default: // it will take a turn anyway
	}
}

// beginAnew has the writer go on in a new file. It does not wait.
func (f *file) beginAnew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reopen = true
	f.wakeWriter()
}

// health does not wait.
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

// close takes no more lines, has what is buffered written and closes the file. It
// waits for that until ctx ends or the writer hangs; what is not written then is
// lost, which is an error.
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

package messagelog

import (
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

// file is a log file that is written in large pieces.
type file struct {
	stderr io.Writer
	lost   atomic.Int64 // bytes

	mu      sync.Mutex
	size    int // bytes of a buffer
	buf     []byte
	spare   []byte
	second  int64  // the Unix time that stamp is of
	stamp   []byte // its text, to the second
	writing bool   // spare is being written, by whoever set this
	written *sync.Cond

	// For whoever is writing only.
	disk    *lumberjack.Logger
	failing bool
}

func newFile(o Options) *file {
	size := int((o.MaxSize + 1<<20 - 1) >> 20) // MiB
	f := &file{
		stderr: o.Stderr,
		size:   min(bufferSize, size<<20/2), // what is written at once must fit into a file
		disk:   &lumberjack.Logger{Filename: o.Path, MaxSize: size, MaxBackups: o.Keep},
	}
	f.buf, f.spare = make([]byte, 0, f.size), make([]byte, 0, f.size)
	f.written = sync.NewCond(&f.mu)
	return f
}

// Write takes a line that is complete. It never fails: what goes wrong is said on
// stderr, and service goes on.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.makeRoom(len(line))
	f.buf = append(f.buf, line...)
	return len(line), nil
}

// writeTimed takes a line that lacks the time, which goes between the two parts.
func (f *file) writeTimed(before string, now time.Time, after []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.makeRoom(len(before) + len("2006-01-02T15:04:05.000Z") + len(after))
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

// makeRoom sees to it that n more bytes may be buffered. The caller holds mu.
func (f *file) makeRoom(n int) {
	for len(f.buf) > 0 && len(f.buf)+n > f.size {
		f.writeOut()
	}
}

func (f *file) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writeOut()
}

// writeOut writes what is buffered, or waits while another does that. The caller
// holds mu, and others may hold it meanwhile. What cannot be written is lost, and
// counted: to keep it would take memory without bound.
func (f *file) writeOut() {
	if f.writing {
		f.written.Wait()
		return
	}
	if len(f.buf) == 0 {
		return
	}
	f.buf, f.spare, f.writing = f.spare[:0], f.buf, true
	f.mu.Unlock()
	n, err := f.disk.Write(f.spare)
	if err != nil {
		f.lost.Add(int64(len(f.spare) - n))
		if !f.failing { // once, not for every line
			fmt.Fprintf(f.stderr, "server: lines of the log are lost: %v\n", err)
		}
	}
	f.failing = err != nil
	f.mu.Lock()
	f.writing = false
	f.written.Broadcast()
}

// drain writes all that is buffered. The caller holds mu.
func (f *file) drain() {
	for f.writing || len(f.buf) > 0 {
		f.writeOut()
	}
}

func (f *file) reopen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drain()
	f.disk.Close() // the next write opens it again
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drain()
	return f.disk.Close()
}

// Package messagelog writes server.log: a line for every message of every
// service, whichever door it came through, and one for every call.
//
// The services know nothing of it. It sees their messages from outside, as
// interceptors that every call passes.
package messagelog

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

const (
	// flushEvery is how long a line may stay in memory: what a crash can lose.
	flushEvery = 100 * time.Millisecond
	// bufferSize is how many bytes may stay there. A full buffer is written before
	// the next line is taken, so that a slow disk slows the callers and loses
	// nothing.
	bufferSize = 256 << 10
	// maxSize is the size in MiB at which the file is set aside for a new one.
	maxSize = 100
	// keep is how many files set aside are kept.
	keep = 5
)

// Format is how lines are written.
type Format string

// The formats of log/slog.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Log is an open log file.
type Log struct {
	*slog.Logger
	out  *buffered
	stop chan struct{}
	done chan struct{}
}

// Open opens the log at path, or begins it. stderr is told when lines cannot be
// written.
func Open(path string, format Format, stderr io.Writer) (*Log, error) {
	// lumberjack opens the file with the first line: too late for an error that
	// says which flag is wrong.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	out := &buffered{stderr: stderr, file: &lumberjack.Logger{Filename: path, MaxSize: maxSize, MaxBackups: keep}}
	out.w = bufio.NewWriterSize(out.file, bufferSize)
	l := &Log{out: out, stop: make(chan struct{}), done: make(chan struct{})}
	switch format {
	case Text:
		l.Logger = slog.New(slog.NewTextHandler(out, nil))
	case JSON:
		l.Logger = slog.New(slog.NewJSONHandler(out, nil))
	default:
		return nil, fmt.Errorf("unknown log format %q", format)
	}
	go l.flush()
	return l, nil
}

// Owns reports whether the file at path is the log at logPath or one that was set
// aside from it.
func Owns(logPath, path string) bool {
	if path == logPath {
		return true
	}
	extension := filepath.Ext(logPath)
	pattern := logPath[:len(logPath)-len(extension)] + "-????-??-??T??-??-??.???" + extension
	aside, err := filepath.Match(filepath.Base(pattern), filepath.Base(path))
	return filepath.Dir(path) == filepath.Dir(logPath) && aside && err == nil
}

func (l *Log) flush() {
	defer close(l.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.out.flush()
		case <-l.stop:
			return
		}
	}
}

// Close writes what is outstanding and closes the file.
func (l *Log) Close() error {
	close(l.stop)
	<-l.done
	return l.out.close()
}

// buffered is a file that is written in large pieces.
type buffered struct {
	stderr io.Writer

	mu     sync.Mutex
	w      *bufio.Writer
	file   *lumberjack.Logger
	failed bool
}

// Write takes a line. It never fails: what went wrong is said on stderr, and
// service goes on.
func (b *buffered) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.w.Write(line)
	b.note(err)
	return len(line), nil
}

func (b *buffered) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(b.w.Flush())
}

// note says once that lines cannot be written, and goes on with an empty buffer.
func (b *buffered) note(err error) {
	if err != nil {
		b.w.Reset(b.file) // a bufio.Writer keeps its first error for good
	}
	if err != nil && !b.failed {
		fmt.Fprintf(b.stderr, "server: log lines are lost: %v\n", err)
	}
	b.failed = err != nil
}

func (b *buffered) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	flushErr := b.w.Flush()
	if err := b.file.Close(); flushErr == nil {
		return err
	}
	return flushErr
}

// Package messagelog writes server.log: a line for every message of every
// service, whichever door it came through, and one for every call.
//
// The services know nothing of it. It sees their messages from outside, as
// interceptors that every call passes. Its lines are those of log/slog's text and
// JSON handlers, but written by hand, because there are two for every round trip of
// a client.
//
// Service goes before the log. Callers wait for a disk that is slow, and for one that
// takes nothing at all no longer than some seconds: what finds no room in memory is
// then lost, counted, and said once.
package messagelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// Format is how lines are written.
type Format string

// The formats of log/slog.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Options configure a Log.
type Options struct {
	Path   string
	Format Format
	// MaxSize is the size in bytes at which the file is set aside for a new one. It
	// is rounded up to whole MiB.
	MaxSize int64
	// Keep is how many files set aside are kept, 1 or more.
	Keep int
	// CallsOnly leaves out the lines of messages: a call has one line, at its end.
	CallsOnly bool
	// Stderr is told when lines cannot be written, and when they can again.
	Stderr io.Writer

	patience time.Duration // hangsAfter, or what a test waits instead
}

// Log is an open log file.
type Log struct {
	// Logger is for what is no message: it writes into the same file.
	*slog.Logger
	format    Format
	callsOnly bool
	out       *file
}

// Open opens the log, or begins it.
func Open(o Options) (*Log, error) {
	if o.Format != Text && o.Format != JSON {
		return nil, fmt.Errorf("unknown log format %q", o.Format)
	}
	// The file is opened for good with the first line: too late for an error that
	// says which flag is wrong.
	if err := endLastLine(o.Path); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{format: o.Format, callsOnly: o.CallsOnly, out: newFile(o)}
	if o.Format == JSON {
		l.Logger = slog.New(slog.NewJSONHandler(l.out, nil))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(l.out, nil))
	}
	return l, nil
}

// endLastLine makes the file, or ends a line in it that a crash has cut off, so that
// the next one is whole.
func endLastLine(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

// Reopen goes on in a new file if the old one has been moved away. It does not wait.
// Lines that are in memory go into the new one.
func (l *Log) Reopen() { l.out.beginAnew() }

// Health returns an error when lines cannot be written. It does not wait.
func (l *Log) Health() error { return l.out.health() }

// Lost returns how many bytes of lines could not be written.
func (l *Log) Lost() int64 { return l.out.lost.Load() }

// Close writes what is outstanding and closes the file. It waits for a disk that is
// slow until ctx ends, and for one that hangs no longer than everybody else; the
// error then says what is lost. Lines that come later are lost.
func (l *Log) Close(ctx context.Context) error { return l.out.close(ctx) }

// Package messagelog writes server.log: a line for each message of the services and one
// for each call, through every door.
//
// It observes the calls as an interceptor; the services do not know it. Its lines have the
// format of log/slog's text and JSON handlers, but it writes them itself, because a client
// causes two of them in each round trip.
//
// Availability goes before completeness. Callers wait for a slow disk. If the disk hangs,
// they wait a few seconds; after that, lines that do not fit into memory are lost and
// counted.
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

// Format is the format of the lines.
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
	// MaxSize is the size in bytes at which the file is rotated, rounded up to whole MiB.
	MaxSize int64
	// Keep is how many rotated files are kept, 1 or more.
	Keep int
	// CallsOnly omits the lines of messages: each call has one line, at its end.
	CallsOnly bool
	// Stderr receives a message when writing fails and when it works again.
	Stderr io.Writer

	hangTimeout time.Duration // 0: defaultHangTimeout; for tests
}

// Log is an open log file. It is safe for concurrent use.
type Log struct {
	// Logger writes other lines into the same file.
	*slog.Logger
	format    Format
	callsOnly bool
	out       *file
	strangers strangers
}

// Open opens the log, and creates the file if there is none.
func Open(o Options) (*Log, error) {
	if o.Format != Text && o.Format != JSON {
		return nil, fmt.Errorf("unknown log format %q", o.Format)
	}
	// The rotation opens the file with the first line, which is too late for an error
	// that names the flag.
	if err := endLastLine(o.Path); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{format: o.Format, callsOnly: o.CallsOnly, out: newFile(o)}
	if o.Format == JSON {
		l.Logger = slog.New(slog.NewJSONHandler(l.out, nil))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(l.out, nil))
	}
	l.strangers.log = l.Logger
	return l, nil
}

// endLastLine creates the file if there is none. It ends the last line if a crash has cut
// it off.
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

// Reopen continues in a new file after the old one has been renamed. Buffered lines go
// into the new one. It does not wait.
func (l *Log) Reopen() { l.out.reopenNext() }

// Health returns an error while lines cannot be written. It does not wait.
func (l *Log) Health() error { return l.out.health() }

// Lost returns how many bytes of lines have been lost.
func (l *Log) Lost() int64 { return l.out.lost.Load() }

// Close writes the buffered lines and closes the file. It waits until ctx ends or the disk
// hangs; the error then says how much is lost. Later lines are lost.
func (l *Log) Close(ctx context.Context) error {
	l.strangers.flush()
	return l.out.close(ctx)
}

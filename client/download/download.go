// Package download fetches files from a Parity server so that what arrives is
// the whole file, unchanged, or nothing.
//
// Get and GetBelow fetch to a file, Copy to a writer. All ask for the file in segments,
// each a call of its own that names the version of the file and ends in a
// checksum, and keep a segment only when that is right. So
//
//   - nothing unverified is ever written, and nothing that was written is
//     fetched again when a connection is lost;
//   - all segments are of one version: when the file changes on the server in
//     the middle, Get starts again with the new one;
//   - where the server knows the checksum of the whole file, that is what counts at
//     the end, also for what an earlier, interrupted Get had left.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// maxRestarts is how often a download starts again because the file changed on
// the server: one that changes more often than it can be fetched is reported.
const maxRestarts = 3

// Options are what a caller may want to set, and to hear of a download under way. The
// functions are called on the goroutine of Get or Copy and may be nil.
type Options struct {
	// Force lets a download replace a file that is there.
	Force bool
	// Progress is told how many bytes have arrived, of how many. It goes back
	// where bytes that arrived did not pass and are fetched again.
	Progress func(done, size int64)
	// Notice is told why there is a delay: a connection was lost, or the file has
	// changed. It is one line, safe to show on a terminal.
	Notice func(line string)
}

// Result describes a download that has succeeded: every byte of it was checked.
type Result struct {
	Name    string        // as asked for
	Path    string        // where it is; empty for Copy
	Bytes   int64         // the file's size
	Resumed int64         // how many of them an earlier, interrupted Get had left
	Version string        // the server's name for this version of the file
	Whole   bool          // whether the whole was compared with the server's checksum of it, not only each of its parts
	Elapsed time.Duration // from the first call to the last byte in place
}

// Get downloads the file name to the file at path, whose directory must be there. A
// link at path is followed. To a device or pipe the bytes are written in order, as
// Copy does.
//
// The file appears under its path only when it is complete. What is there before
// stays, and the error is fs.ErrExist, unless opts.Force is set; that is looked at
// before anything is fetched, and holds until the end. Until then the file grows in a
// hidden file beside it, which stays behind when Get fails or the process dies: the
// next Get to the same path goes on from there, unless the file has changed on the
// server. Of several Gets to one path at once all but one fail.
//
// A connection that is lost is tried again for some ten seconds; a server that
// cannot be reached at first is an error at once. A server that says when to try
// again is believed, up to half a minute each time. Errors of the server can be told
// by status.Code; when ctx is done, the error is its cause.
func Get(ctx context.Context, files filesv1.FileServiceClient, name, path string, opts Options) (Result, error) {
	to, err := atPath(path, opts.Force)
	if errors.Is(err, errNotRegular) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return Result{}, err
		}
		r, err := Copy(ctx, files, name, f, opts)
		r.Path = path
		return r, errors.Join(err, f.Close())
	}
	if err != nil {
		return Result{}, err
	}
	return get(ctx, files, name, to, opts)
}

// GetBelow downloads the file name to dir, or the current directory if that is empty,
// as Get does: under the path that LocalPath says, whose directories are made. Links
// are followed as far as they stay below dir, but not one in the place of the file.
func GetBelow(ctx context.Context, files filesv1.FileServiceClient, name, dir string, opts Options) (Result, error) {
	to, err := below(dir, name, opts.Force)
	if err != nil {
		return Result{}, err
	}
	return get(ctx, files, name, to, opts)
}

func get(ctx context.Context, files filesv1.FileServiceClient, name string, to destination, opts Options) (Result, error) {
	start := time.Now()
	if err := to.check(); err != nil {
		return Result{}, err
	}
	for restarts := 0; ; restarts++ {
		r, err := getVersion(ctx, files, name, to, opts)
		if err == nil {
			r.Elapsed = time.Since(start)
			return r, nil
		}
		if !mustRestart(err) || restarts == maxRestarts {
			return Result{}, err
		}
		opts.notice("%s; starting again", terminal.Error(err))
	}
}

// mustRestart reports whether what was fetched is good for nothing.
func mustRestart(err error) bool { return errors.Is(err, errChanged) || errors.Is(err, errMixed) }

// getVersion downloads the version of the file that is current when it begins.
func getVersion(ctx context.Context, files filesv1.FileServiceClient, name string, to destination, opts Options) (Result, error) {
	t := newTransfer(files, name, opts)
	defer t.end()
	if err := t.begin(ctx); err != nil {
		return Result{}, err
	}
	dir, err := to.open()
	if err != nil {
		return Result{}, err
	}
	p, err := openPart(dir, filepath.Base(to.local), name+"\x00"+t.file.GetVersion(), t.file.GetSizeBytes())
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", to.path(), err)
	}
	r := Result{Name: name, Path: to.path(), Version: t.file.GetVersion(), Resumed: p.size}
	t.skip(p.size)
	err = t.copyTo(ctx, p.append)
	if err == nil {
		r.Whole, err = t.verify(ctx, p.sum)
	}
	if err == nil {
		r.Bytes = p.size
		err = p.commit(to)
	}
	switch {
	case err == nil:
		return r, nil
	case mustRestart(err):
		return Result{}, errors.Join(err, p.discard())
	case p.size > 0:
		err = fmt.Errorf("%w (%d bytes are kept in %s for the next time)", err, p.size, filepath.Join(filepath.Dir(to.path()), p.name))
	}
	return Result{}, errors.Join(err, p.keep())
}

// Copy downloads the file name to w, segment by segment, each when it has been
// checked, in many small writes. It cannot take back what it has written: when the file changes after
// that, it fails.
func Copy(ctx context.Context, files filesv1.FileServiceClient, name string, w io.Writer, opts Options) (Result, error) {
	start := time.Now()
	for restarts := 0; ; restarts++ {
		t := newTransfer(files, name, opts)
		err := t.begin(ctx)
		if err == nil {
			err = t.copyTo(ctx, func(s *segment) error {
				_, err := s.WriteTo(w)
				return err
			})
		}
		whole := false
		if err == nil {
			whole, err = t.verify(ctx, nil)
		}
		t.end()
		switch {
		case err == nil:
			return Result{Name: name, Bytes: t.offset, Version: t.file.GetVersion(), Whole: whole, Elapsed: time.Since(start)}, nil
		case t.offset > 0:
			return Result{}, fmt.Errorf("%w (%d bytes had been written)", err, t.offset)
		case !errors.Is(err, errChanged) || restarts == maxRestarts:
			return Result{}, err
		}
		opts.notice("%s; starting again", terminal.Error(err))
	}
}

func (o Options) progress(done, size int64) {
	if o.Progress != nil {
		o.Progress(done, size)
	}
}

func (o Options) notice(format string, args ...any) {
	if o.Notice != nil {
		o.Notice(fmt.Sprintf(format, args...))
	}
}

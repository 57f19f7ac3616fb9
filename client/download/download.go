// Package download fetches files from a Parity server: the whole file, unchanged, or
// nothing.
//
// Get and GetBelow write to a file, Copy to a writer. All request the file in segments.
// Each segment is a call that names the version of the file and ends in a checksum, and is
// kept only if the checksum matches. So
//
//   - nothing unverified is written, and nothing that was written is fetched again after
//     a lost connection;
//   - all segments are of one version: if the file changes on the server meanwhile, Get
//     starts again with the new version;
//   - if the server knows the checksum of the whole file, it is compared at the end, also
//     for the part that an earlier, interrupted Get has left.
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

// maxRestarts is how often a download starts again because the file changed on the
// server. After that it fails.
const maxRestarts = 3

// Options configure a download. The functions are called on the goroutine of Get or Copy,
// and may be nil.
type Options struct {
	// Force allows a download to replace an existing file.
	Force bool
	// Progress receives how many bytes have arrived, of how many. The number decreases
	// when bytes do not pass verification and are fetched again.
	Progress func(done, size int64)
	// Notice receives the reason of a delay: a connection was lost, or the file has
	// changed. It is one line, safe for a terminal.
	Notice func(line string)
}

// Result describes a successful download: every byte of it was verified.
type Result struct {
	Name    string        // as asked for
	Path    string        // where it is; empty for Copy
	Bytes   int64         // the file's size
	Resumed int64         // how many of them an earlier, interrupted Get had left
	Version string        // the server's name for this version of the file
	Whole   bool          // whether the whole was compared with the server's checksum of it, not only each of its parts
	Elapsed time.Duration // from the first call to the last byte in place
}

// Get downloads the file name to the file at path, whose directory must exist. It follows
// a symbolic link at path. It writes the bytes to a device or a pipe in order, as Copy
// does.
//
// The file appears at path only when it is complete. If there is a file already, it stays
// and the error is fs.ErrExist, unless opts.Force is set; this is checked at the start and
// at the end. Until then the data is in a hidden file beside path, which remains if Get
// fails or the process dies. The next Get to the same path resumes there, unless the file
// has changed on the server. Of several Gets to one path at a time, all but one fail.
//
// Get retries a lost connection for about ten seconds; a server that is unreachable at
// first is an error at once. It follows a server's RetryInfo, up to half a minute each
// time. status.Code returns the code of a server's error; when ctx is done, the error is
// its cause.
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

// GetBelow downloads the file name to the path that LocalPath returns, below dir, or
// below the current directory if dir is empty. It creates the directories. Otherwise it is
// like Get, except that it follows only symbolic links that stay below dir, and none in
// the place of the file.
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

// mustRestart reports whether everything that was fetched is useless.
func mustRestart(err error) bool { return errors.Is(err, errChanged) || errors.Is(err, errMixed) }

// getVersion downloads the version that is current at its start.
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

// Copy downloads the file name to w, segment by segment, each after its verification, in
// many small writes. It cannot take back what it has written: it fails if the file changes
// after the first write.
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

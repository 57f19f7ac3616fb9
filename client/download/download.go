// Package download fetches files from a Parity server: the whole file, unchanged, or
// nothing.
//
// Get and GetBelow write to a file, Copy to a writer. All request the file in segments,
// over one connection or, in a Group, over several at once. Each segment is a call that
// names the version of the file and ends in a checksum, and is kept only if the checksum
// matches. So
//
//   - nothing unverified is written, and nothing that was written is fetched again after
//     a lost connection or a killed process;
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
	"io/fs"
	"os"
	"path/filepath"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// maxRestarts is how often a download starts again because the file changed on the
// server. After that it fails.
const maxRestarts = 3

// Options configure a download. Its functions may be nil. They are called one at a time,
// and must return soon.
type Options struct {
	// Force allows a download to replace an existing file.
	Force bool
	// Group is what this download shares with others; nil: nothing.
	Group *Group
	// Progress receives how many bytes are there, of how many. The first call has what an
	// earlier Get left. The number decreases when bytes do not pass verification and are
	// fetched again.
	Progress func(done, size int64)
	// Outage receives the state of an outage: when the download gets no data, before each
	// new attempt, and when it gets data again.
	Outage func(Outage)
	// Restart receives the reason why everything is fetched again: the file has changed.
	Restart func(why error)
}

// Outage is a time in which a download gets no data, over none of its connections.
type Outage struct {
	Err      error     // of the last attempt; nil: the outage is over
	Attempts int       // how many have failed
	Since    time.Time // when the first one failed
	Retry    time.Time // when the next one begins
}

// Result describes a successful download: every byte of it was verified.
type Result struct {
	Name      string        // as asked for
	Path      string        // where it is; empty for Copy
	Bytes     int64         // the file's size
	Resumed   int64         // how many of them an earlier, interrupted Get had left
	Version   string        // the server's name for this version of the file
	Modified  time.Time     // when the server's file was changed; zero if it does not say
	CRC32C    uint32        // of the whole file
	Whole     bool          // whether the whole was compared with the server's checksum of it, not only each of its parts
	Identical bool          // whether the file was there already, and nothing was written
	Elapsed   time.Duration // from the first call to the last byte in place
}

// Incomplete is the error of a Get that has left a part of the file. The next Get to the
// same path resumes there.
type Incomplete struct {
	Err  error // why Get failed
	Kept int64 // bytes
}

// Error implements error.
func (e *Incomplete) Error() string { return fmt.Sprintf("%v (%d bytes are kept)", e.Err, e.Kept) }

// Unwrap returns Err.
func (e *Incomplete) Unwrap() error { return e.Err }

// Get downloads the file name to the file at path, whose directory must exist. It follows
// a symbolic link at path. It writes the bytes to a device or a pipe in order, as Copy
// does.
//
// The file appears at path only when it is complete, with the modification time of the
// server's file. If there is a file already, it stays: with the size and the checksum of
// the server's file it is as good as downloaded (Result.Identical), and otherwise the error
// is fs.ErrExist, unless opts.Force is set. This is checked at the start and, but for the
// checksum, at the end. Until then the data is in a hidden file beside path, which remains
// if Get fails (Incomplete) or the process dies. The next Get to the same path resumes
// there, unless the file has changed on the server. Of several Gets to one path at a time,
// all but one fail.
//
// Get fails before it fetches data if the file system has too little free space. It retries
// a lost connection for about ten seconds; a server that is unreachable at first is an
// error at once. It follows a server's RetryInfo, up to half a minute each time.
// status.Code returns the code of a server's error; when ctx is done, the error is its
// cause.
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
	opts.Group = opts.Group.orAlone()
	for restarts := 0; ; restarts++ {
		var r Result
		err := to.check(opts.Group)
		switch {
		case err == nil:
			r, err = getVersion(ctx, files, name, to, opts)
		case errors.Is(err, fs.ErrExist) && !opts.Force:
			r, err = compare(ctx, files, name, to, opts)
		}
		if err == nil {
			r.Name, r.Path, r.Elapsed = name, to.path(), time.Since(start)
			return r, nil
		}
		if !mustRestart(err) || restarts == maxRestarts {
			return Result{}, err
		}
		opts.restart(err)
	}
}

// mustRestart reports whether everything that was fetched is useless.
func mustRestart(err error) bool { return errors.Is(err, errChanged) || errors.Is(err, errMixed) }

// getVersion downloads the version that is current at its start.
func getVersion(ctx context.Context, files filesv1.FileServiceClient, name string, to destination, opts Options) (r Result, err error) {
	t := newTransfer(files, name, opts)
	defer t.end()
	look := firstLook
	if to.begun() {
		look = 1 // what the first bytes of the file are is probably known
	}
	if err := t.begin(ctx, look); err != nil {
		return Result{}, err
	}
	dir, err := to.open()
	if err != nil {
		return Result{}, err
	}
	p, err := openPart(ctx, dir, filepath.Base(to.local), name+"\x00"+t.file.GetVersion(), t.file.GetSizeBytes())
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", to.path(), err)
	}
	resumed := t.hold(p.held)
	space, err := opts.Group.reserve(dir, t.file.GetSizeBytes()-resumed)
	if err != nil {
		return Result{}, errors.Join(fmt.Errorf("%s: %w", to.path(), err), p.keep(resumed))
	}
	defer space.release()

	err = t.run(ctx, func(_ context.Context, offset int64, s *segment) error {
		if err := p.put(offset, s); err != nil {
			return err
		}
		space.used(s.size)
		return nil
	})
	if err == nil {
		r, err = t.result(ctx)
		r.Resumed = resumed
	}
	if err == nil {
		err = p.commit(to, opts.Group, r.Modified)
	}
	switch held := t.ranges.held(); {
	case err == nil:
		return r, nil
	case mustRestart(err):
		return Result{}, errors.Join(err, p.discard())
	case held > 0:
		return Result{}, &Incomplete{errors.Join(err, p.keep(held)), held}
	}
	return Result{}, errors.Join(err, p.keep(0))
}

// Copy downloads the file name to w, segment by segment, each after its verification, in
// many small writes. It cannot take back what it has written: it fails if the file changes
// after the first write.
func Copy(ctx context.Context, files filesv1.FileServiceClient, name string, w io.Writer, opts Options) (Result, error) {
	start := time.Now()
	opts.Group = opts.Group.orAlone()
	for restarts := 0; ; restarts++ {
		r, written, err := copyVersion(ctx, files, name, w, opts)
		switch {
		case err == nil:
			r.Name, r.Elapsed = name, time.Since(start)
			return r, nil
		case written > 0:
			return Result{}, fmt.Errorf("%w (%d bytes had been written)", err, written)
		case !errors.Is(err, errChanged) || restarts == maxRestarts:
			return Result{}, err
		}
		opts.restart(err)
	}
}

func copyVersion(ctx context.Context, files filesv1.FileServiceClient, name string, w io.Writer, opts Options) (r Result, written int64, err error) {
	t := newTransfer(files, name, opts)
	defer t.end()
	if err := t.begin(ctx, firstLook); err != nil {
		return Result{}, 0, err
	}
	order := newOrder(w)
	if err := t.run(ctx, order.put); err != nil {
		return Result{}, order.written(), err
	}
	r, err = t.result(ctx)
	return r, order.written(), err
}

func (o Options) progress(done, size int64) {
	if o.Progress != nil {
		o.Progress(done, size)
	}
}

func (o Options) outage(state Outage) {
	if o.Outage != nil {
		o.Outage(state)
	}
}

func (o Options) restart(why error) {
	if o.Restart != nil {
		o.Restart(why)
	}
}

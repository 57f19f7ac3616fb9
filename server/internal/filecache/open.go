package filecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// settle is how long a file must have been left alone before it is read. The time
// of change tells of a change only if the clock of the file system has ticked since
// the one before (every 10 ms at most on Linux), and it is the time at which a write
// began, so that one which takes longer than this in a single system call, into the
// file itself and not into a new one, goes unseen. A file that is empty is looked at
// twice, this long apart. One that is cut off inside, without being written to at the
// same time, may for a moment be taken for a shorter one with the old time.
const settle = 100 * time.Millisecond

// maxSettles is how often a reader waits for a file that is written again and
// again before it gives up with ErrChanged.
const maxSettles = 5

// maxReplaced is how often an Open begins again because the directory was replaced
// under it.
const maxReplaced = 3

// errReplaced says that an operation used a directory that is no longer the one.
var errReplaced = fmt.Errorf("%w: replaced again and again", ErrDirectory)

// Open opens a file for reading. The error is ErrNotFound, ErrChanged, ErrDisk,
// ErrDirectory, ctx's, or one of the file system.
func (c *Cache) Open(ctx context.Context, name string) (*File, error) {
	// One name for one file: no ".", "..", empty part or leading slash.
	if !fs.ValidPath(name) {
		return nil, ErrNotFound
	}
	var f *File
	err := c.inDirectory(ctx, func(dir *generation) (err error) {
		f, err = c.openIn(ctx, dir, name)
		return err
	})
	return f, err
}

// inDirectory calls f with the directory as it is now, and again where another had
// taken its place.
func (c *Cache) inDirectory(ctx context.Context, f func(*generation) error) error {
	for range maxReplaced {
		dir, err := c.dir.acquire()
		if err != nil {
			return err
		}
		err = f(dir)
		dir.release()
		if !errors.Is(err, errReplaced) {
			return err
		}
		if _, err := do(ctx, c.gate, lane{kind: lookKind}, &lookOp{c.dir}); err != nil {
			return err
		}
	}
	return errReplaced
}

func (c *Cache) openIn(ctx context.Context, dir *generation, name string) (*File, error) {
	if now, ok := dir.glance.stat(name); ok {
		return c.openAs(ctx, dir, name, now)
	}
	stat, err := do(ctx, c.gate, lane{statKind, name}, &statOp{dir: c.dir, name: name})
	if err != nil {
		return nil, err
	}
	if stat.err != nil {
		if errors.Is(stat.err, ErrNotFound) {
			c.forget(name)
		}
		return nil, stat.err
	}
	return c.openAs(ctx, dir, name, stat.stamp)
}

// openAs opens a file that is as now says.
func (c *Cache) openAs(ctx context.Context, dir *generation, name string, now stamp) (*File, error) {
	if found := c.lookup(name, now); found != nil {
		if c.hidden != nil && c.hidden(found.info.stat) {
			c.forget(name)
			return nil, ErrNotFound
		}
		dir.retain()
		return &File{Info: found.info, Cached: true, cache: c, dir: dir, content: found}, nil
	}
	info, err := c.settled(ctx, dir, name)
	if err != nil {
		return nil, err
	}
	return c.openFile(dir, info), nil
}

// settled returns what a file is, once it has been left alone for long enough for
// every later change to be seen.
func (c *Cache) settled(ctx context.Context, dir *generation, name string) (Info, error) {
	var seen stamp // what it was before the last wait
	for range maxSettles {
		op, err := do(ctx, c.gate, lane{openKind, name}, &openOp{dir: c.dir, files: c.handles, name: name})
		if err != nil {
			return Info{}, err
		}
		if op.err != nil {
			return Info{}, op.err
		}
		if op.used != dir {
			return Info{}, errReplaced
		}
		wait := op.info.unsettled(seen)
		if wait <= 0 {
			return op.info, nil
		}
		seen = op.info.stamp
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return Info{}, ctx.Err()
		}
	}
	return Info{}, ErrChanged
}

// unsettled returns how long to wait before the file can be read. seen is what it was
// when a wait of the whole time began, if one did.
func (info Info) unsettled(seen stamp) time.Duration {
	age := time.Since(time.Unix(0, info.stamp.changed))
	switch {
	case info.stamp == seen:
		// It has been so for at least as long as was waited for.
		return 0
	case info.Size == 0:
		// A file that is being emptied, to be written anew, has its new size before
		// it has its new time: Linux shows it like that for some microseconds, and
		// for longer on a busy machine.
		return settle
	case age < 0:
		// The file system has another clock than the program: how long ago the
		// change was cannot be told.
		return settle
	}
	return settle - age
}

// statOp finds out what a file is now.
type statOp struct {
	dir  *directory
	name string

	stamp stamp
	err   error
}

func (o *statOp) run(*job) {
	dir, err := o.dir.acquire()
	if err != nil {
		o.err = err
		return
	}
	defer dir.release()
	fi, err := dir.root.Stat(o.name)
	switch {
	case err != nil:
		o.err = dir.explain(mapNotFound(err))
	case !fi.Mode().IsRegular():
		o.err = ErrNotFound
	default:
		o.stamp = stampOf(fi)
	}
}

// openOp opens a file, and leaves it open for those who will read it.
type openOp struct {
	dir   *directory
	files *handles
	name  string

	used *generation
	info Info
	err  error
}

func (o *openOp) run(*job) {
	dir, err := o.dir.acquire()
	if err != nil {
		o.err = err
		return
	}
	defer dir.release()
	f, fi, err := o.files.openNow(dir, o.name)
	if err != nil {
		o.err = dir.explain(err)
		return
	}
	o.files.giveBack(f)
	o.used, o.info = dir, Describe(o.name, fi)
}

// explain tells a file that is not there from a directory that is not.
func (g *generation) explain(err error) error {
	if errors.Is(err, ErrNotFound) && g.isUnlinked() {
		return errReplaced
	}
	return err
}

// mapNotFound turns every way in which a name leads to no file of this directory
// into ErrNotFound, so that nobody learns which it was. os.Root tells that a name
// leads out by an error that is no Errno.
func mapNotFound(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ErrNotFound
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EISDIR,
		syscall.EINVAL, syscall.ENXIO, syscall.ENODEV:
		return ErrNotFound
	}
	return fmt.Errorf("open file: %w", err)
}

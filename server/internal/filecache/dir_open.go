package filecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// settleTime is how long a file must have been unchanged before it is read. The change time
// reveals a change only if the clock of the file system has ticked since the previous one
// (at least every 10 ms on Linux). It is also the time at which a write began: a single
// system call that writes in place for longer than settleTime goes unnoticed. An empty file
// is checked twice, settleTime apart. A file that is truncated without being written to may
// for a moment appear shorter with its old change time.
const settleTime = 100 * time.Millisecond

// maxSettleTries is how often a reader waits for a file that keeps changing before it gets
// ErrChanged.
const maxSettleTries = 5

// maxReplaceTries is how often an operation starts over because the directory was replaced.
const maxReplaceTries = 3

// errReplaced means that an operation used a directory that has been replaced.
var errReplaced = fmt.Errorf("%w: it was replaced repeatedly", ErrDirectory)

// Open opens a file for reading. The error is ErrNotFound, ErrChanged, ErrDisk,
// ErrDirectory, ctx's, or one of the file system.
func (c *Cache) Open(ctx context.Context, name string) (*File, error) {
	if !c.isName(name) {
		return nil, ErrNotFound
	}
	var f *File
	err := c.inDirectory(ctx, func(dir *generation) (err error) {
		f, err = c.openIn(ctx, dir, name)
		return err
	})
	return f, err
}

// isName reports whether a name may be that of a file. Each file has one name: no ".", "..",
// empty part or leading slash.
func (c *Cache) isName(name string) bool { return fs.ValidPath(name) && c.names.Includes(name) }

// inDirectory calls f with the current directory, and again if that was replaced.
func (c *Cache) inDirectory(ctx context.Context, f func(*generation) error) error {
	for range maxReplaceTries {
		dir, err := c.dir.acquire()
		if err != nil {
			return err
		}
		err = f(dir)
		dir.release()
		if !errors.Is(err, errReplaced) {
			return err
		}
		if _, err := do(ctx, c.pool, lane{kind: refreshKind}, &refreshOp{c.dir}); err != nil {
			return err
		}
	}
	return errReplaced
}

func (c *Cache) openIn(ctx context.Context, dir *generation, name string) (*File, error) {
	if now, ok := dir.fast.stat(name); ok {
		return c.openVersion(ctx, dir, name, now)
	}
	stat, err := do(ctx, c.pool, lane{statKind, name}, &statOp{dir: c.dir, name: name})
	if err != nil {
		return nil, err
	}
	if stat.err != nil {
		if errors.Is(stat.err, ErrNotFound) {
			c.remove(name)
		}
		return nil, stat.err
	}
	return c.openVersion(ctx, dir, name, stat.info.stamp)
}

// openVersion opens a file from the cache if the cached version has the stamp now, else
// from the disk.
func (c *Cache) openVersion(ctx context.Context, dir *generation, name string, now stamp) (*File, error) {
	if found := c.lookup(name, now); found != nil {
		if c.hidden != nil && c.hidden(found.info.fileInfo) {
			c.remove(name)
			return nil, ErrNotFound
		}
		dir.retain()
		return &File{Info: found.info, Cached: true, cache: c, dir: dir, content: found}, nil
	}
	info, err := c.waitSettled(ctx, dir, name)
	if err != nil {
		return nil, err
	}
	return c.openFile(dir, info), nil
}

// waitSettled waits until a file has been unchanged for so long that every later change
// will be noticed, and returns its description.
func (c *Cache) waitSettled(ctx context.Context, dir *generation, name string) (Info, error) {
	var seen stamp // before the last wait
	for range maxSettleTries {
		op, err := do(ctx, c.pool, lane{openKind, name}, &openOp{dir: c.dir, handles: c.handles, name: name})
		if err != nil {
			return Info{}, err
		}
		if op.err != nil {
			return Info{}, op.err
		}
		if op.used != dir {
			return Info{}, errReplaced
		}
		wait := op.info.settleWait(seen)
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

// settleWait returns how long to wait before the file may be read. seen is its stamp
// before the previous wait, or zero.
func (info Info) settleWait(seen stamp) time.Duration {
	age := time.Since(time.Unix(0, info.stamp.changed))
	switch {
	case info.stamp == seen:
		return 0 // unchanged during the wait
	case info.Size == 0:
		// A file that is truncated to be rewritten has its new size before its new change
		// time: on Linux for some microseconds, longer on a busy machine.
		return settleTime
	case age < 0:
		// The clock of the file system differs from that of this machine: the age of the
		// change is unknown.
		return settleTime
	}
	return settleTime - age
}

// openOp opens a file. It stays open for the reads that follow.
type openOp struct {
	dir     *directory
	handles *handles
	name    string

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
	f, fi, err := o.handles.openFile(dir, o.name)
	if err != nil {
		o.err = dir.explain(err)
		return
	}
	o.handles.release(f)
	o.used, o.info = dir, describe(o.name, fi)
}

// explain returns errReplaced for a file that does not exist because the directory was
// removed, else err.
func (g *generation) explain(err error) error {
	if errors.Is(err, ErrNotFound) && g.isUnlinked() {
		return errReplaced
	}
	return err
}

// mapNotFound returns ErrNotFound for every error that means that a name refers to no file
// of the directory, so that callers cannot tell the reasons apart. os.Root's error for a
// name that leads out of the directory has no Errno.
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

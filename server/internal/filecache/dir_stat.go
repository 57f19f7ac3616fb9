package filecache

import (
	"context"
)

// Stat describes a file. It reads nothing and does not count as a use of a cached file.
// The error is ErrNotFound, ErrDisk, ErrDirectory, ctx's, or one of the file system.
func (c *Cache) Stat(ctx context.Context, name string) (Info, error) {
	if !c.isName(name) {
		return Info{}, ErrNotFound
	}
	var info Info
	err := c.inDirectory(ctx, func(*generation) error {
		op, err := do(ctx, c.pool, lane{statKind, name}, &statOp{dir: c.dir, name: name})
		if err == nil {
			info, err = op.info, op.err
		}
		return err
	})
	if err == nil && c.hidden != nil && c.hidden(info.fileInfo) {
		err = ErrNotFound
	}
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// statOp gets the description of a file.
type statOp struct {
	dir  *directory
	name string

	info Info
	err  error
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
		o.info = describe(o.name, fi)
	}
}

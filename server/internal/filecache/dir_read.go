package filecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// diskChunk is the maximum number of bytes of one read for a reader of a file that is not
// cached. These bytes are the reader's own.
const diskChunk = 256 << 10

// read reads n bytes of a file at offset off from the disk.
func (c *Cache) read(ctx context.Context, dir *generation, info Info, off, n int64) ([]byte, error) {
	op, err := do(ctx, c.pool, lane{readKind, info.Name}, &readOp{handles: c.handles, dir: dir, info: info, off: off, n: n})
	if err != nil {
		return nil, err
	}
	return op.data, op.err
}

// readOp reads a part of a file. It allocates the buffer only when a worker runs it.
type readOp struct {
	handles *handles
	dir     *generation
	info    Info
	off, n  int64

	data []byte
	err  error
}

func (o *readOp) run(*job) {
	f, err := o.handles.acquire(o.dir, o.info)
	if err != nil {
		o.err = err
		return
	}
	defer o.handles.release(f)
	data := make([]byte, o.n)
	if o.err = readFull(f.disk, data, o.off); o.err != nil {
		return
	}
	if o.err = verify(f.disk, o.info); o.err == nil {
		o.data = data
	}
}

func readFull(disk *os.File, b []byte, off int64) error {
	n, err := disk.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return ErrChanged
	}
	return fmt.Errorf("read file: %w", err)
}

// verify returns ErrChanged if disk is no longer the version that info describes.
func verify(disk *os.File, info Info) error {
	fi, err := disk.Stat()
	if err != nil {
		return fmt.Errorf("stat file: %w", err)
	}
	if stampOf(fi) != info.stamp {
		return ErrChanged
	}
	return nil
}

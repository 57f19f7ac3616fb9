package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// errDiffers means that the existing file has other content than the server's.
var errDiffers = errors.New("other content")

// compare returns the result of a download to a file that exists, if that is identical to
// the server's, and fs.ErrExist if it is not. It asks for the server's checksum of the
// whole file; if the server does not know it, it fetches the file without writing it, as
// far as both are the same.
func compare(ctx context.Context, files filesv1.FileServiceClient, name string, to destination, opts Options) (Result, error) {
	local, err := to.openFile()
	if err != nil {
		return Result{}, err
	}
	defer local.Close()
	info, err := local.Stat()
	if err != nil {
		return Result{}, err
	}
	t := newTransfer(files, name, opts)
	defer t.end()
	if err := t.stat(ctx); err != nil {
		return Result{}, err
	}
	if size := t.file.GetSizeBytes(); info.Size() != size {
		return Result{}, to.exists(fmt.Sprintf("with %d bytes, and the server's file has %d", info.Size(), size))
	}
	err = t.sameContent(ctx, local)
	if errors.Is(err, errDiffers) {
		return Result{}, to.exists("with other content than the server's file")
	}
	if err != nil {
		return Result{}, err
	}
	r, err := t.result(ctx)
	if err != nil {
		return Result{}, err
	}
	r.Identical = true
	return r, nil
}

// sameContent returns errDiffers unless a local file has the content of the server's file,
// whose size it has.
func (t *transfer) sameContent(ctx context.Context, local *os.File) error {
	size := t.file.GetSizeBytes()
	// The server knows the checksum of a cached file. The first call puts a file that fits
	// into the cache, and waits for its last byte.
	for _, last := range []int64{1, 0} {
		whole, err := t.askWhole(ctx, last)
		switch {
		case err != nil:
			return err
		case whole == nil:
			continue
		}
		sum, err := sumOf(ctx, local, span{0, size})
		switch {
		case errors.Is(err, io.EOF) || err == nil && sum != *whole:
			return errDiffers
		case err == nil:
			t.hold([]piece{{span{0, size}, sum}})
		}
		return err
	}
	return t.run(ctx, func(ctx context.Context, offset int64, s *segment) error {
		sum, err := sumOf(ctx, local, span{offset, s.size})
		if errors.Is(err, io.EOF) || err == nil && sum != s.crc {
			return errDiffers
		}
		return err
	})
}

// openFile opens the regular file at the destination for reading.
func (d destination) openFile() (*os.File, error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	there, err := root.Lstat(d.local)
	if err != nil {
		return nil, err
	}
	if !there.Mode().IsRegular() {
		return nil, d.exists("and is a symbolic link")
	}
	f, err := root.OpenFile(d.local, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(there, opened) {
		f.Close()
		return nil, d.exists("and is being replaced")
	}
	return f, nil
}

// exists returns the error for a file at the destination that must stay.
func (d destination) exists(what string) error {
	return fmt.Errorf("%s: %w here, %s", d.path(), fs.ErrExist, what)
}

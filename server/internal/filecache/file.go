package filecache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// File is one version of a file, open for reading by one goroutine. It holds no
// descriptor.
type File struct {
	Info
	// Cached says whether the file was in the cache when it was opened.
	Cached bool

	cache   *Cache
	dir     *generation
	content *content // nil: not cached
}

// ChunkSize returns the most bytes that Chunk returns at offset off, which must lie
// within the file. It may be fewer by the time that Chunk is called.
func (f *File) ChunkSize(off int64) int64 {
	n := min(BlockSize-off%BlockSize, f.Size-off)
	if f.content == nil || f.content.isDropped() {
		n = min(n, diskChunk)
	}
	return n
}

// Chunk returns the bytes at offset off, which must lie within the file: at least
// one of them and at most limit. It waits for bytes that are still being read.
// The slice must not be written to.
//
// A chunk is returned only if the file was not changed up to then. The error is
// ErrChanged, ErrDisk, ctx's, or one of the file system.
func (f *File) Chunk(ctx context.Context, off, limit int64) ([]byte, error) {
	from := off % BlockSize
	n := min(limit, BlockSize-from, f.Size-off)
	if f.content != nil {
		block, err := f.content.block(ctx, off/BlockSize)
		if err != nil {
			return nil, err
		}
		if block != nil {
			return share(block, from, from+n), nil
		}
		// Evicted under a slow reader.
	}
	return f.cache.read(ctx, f.dir, f.Info, off, min(n, diskChunk))
}

// maxPinned is how many times its own size a chunk may keep in memory. The block that
// it is a part of may be evicted while a slow reader has it, and a thousand readers with
// a little of a thousand blocks would hold far more than what they were sent.
const maxPinned = 4

// share returns a part of a block: the bytes themselves, or a copy where they are few.
func share(block []byte, from, to int64) []byte {
	part := block[from:to:to]
	if maxPinned*len(part) < len(block) {
		return slices.Clone(part)
	}
	return part
}

// HasChecksum reports whether Checksum will know the file's: the file fits into the
// cache.
func (f *File) HasChecksum() bool { return f.content != nil }

// Checksum returns the CRC-32C of the whole file. It waits until the file has been
// read, and fails as Chunk does.
func (f *File) Checksum(ctx context.Context) (uint32, error) {
	select {
	case <-f.content.done:
		return f.content.sum, f.content.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// KnownChecksum returns the CRC-32C of the whole file if it is known already.
func (f *File) KnownChecksum() (sum uint32, ok bool) {
	if f.content == nil {
		return 0, false
	}
	select {
	case <-f.content.done:
		return f.content.sum, f.content.err == nil
	default:
		return 0, false
	}
}

// Close ends the reading.
func (f *File) Close() { f.dir.release() }

// readBlocks reads all of c's file and makes its blocks readable as they come,
// but for the last, which it returns, with the checksum of the whole. A block may be
// all that a caller wants, so each is verified.
func (c *content) readBlocks(cache *Cache) (last []byte, sum uint32, err error) {
	for left := c.info.Size; left > 0; left -= int64(len(last)) {
		if last != nil {
			c.add(last)
		}
		// Nobody's call owns this: it is bounded by the gate's patience alone.
		last, err = cache.read(context.Background(), c.dir, c.info, c.info.Size-left, min(BlockSize, left))
		if err != nil {
			return nil, 0, err
		}
		sum = crc32.Update(sum, castagnoli, last)
	}
	return last, sum, nil
}

// read reads n bytes of a file at off, past the cache.
func (c *Cache) read(ctx context.Context, dir *generation, info Info, off, n int64) ([]byte, error) {
	op, err := do(ctx, c.gate, lane{readKind, info.Name}, &readOp{files: c.handles, dir: dir, info: info, off: off, n: n})
	if err != nil {
		return nil, err
	}
	return op.data, op.err
}

// readOp reads a piece of a file. Its memory is taken only when it has its place.
type readOp struct {
	files  *handles
	dir    *generation
	info   Info
	off, n int64

	data []byte
	err  error
}

func (o *readOp) run(*job) {
	f, err := o.files.borrow(o.dir, o.info)
	if err != nil {
		o.err = err
		return
	}
	defer o.files.giveBack(f)
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

// verify returns ErrChanged if disk is no longer what info describes.
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

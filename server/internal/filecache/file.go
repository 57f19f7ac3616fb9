package filecache

import (
	"context"
	"slices"
)

// File is one version of a file, open for reading by one goroutine. It holds no
// descriptor.
type File struct {
	Info
	// Cached reports whether the file was in the cache when it was opened.
	Cached bool

	cache   *Cache
	dir     *generation
	content *content // nil: the file does not fit into the cache
}

// ChunkSize returns the maximum number of bytes that Chunk returns at offset off, which
// must lie within the file. A later Chunk may return fewer.
func (f *File) ChunkSize(off int64) int64 {
	n := min(BlockSize-off%BlockSize, f.Size-off)
	if f.content == nil || f.content.isDropped() {
		n = min(n, diskChunk)
	}
	return n
}

// Chunk returns between 1 and limit bytes at offset off, which must lie within the file.
// It waits for bytes that are still being read. The caller must not modify the slice.
//
// The file had not changed when the chunk was read. The error is ErrChanged, ErrDisk,
// ctx's, or one of the file system.
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
		// Evicted since it was opened.
	}
	return f.cache.read(ctx, f.dir, f.Info, off, min(n, diskChunk))
}

// maxPinned is how many times its own size a chunk may keep in memory. A chunk keeps its
// whole block, even if that is evicted. Without a bound, a thousand slow readers with a
// small part of a thousand blocks would hold far more memory than they were sent.
const maxPinned = 4

// share returns block[from:to], as a copy if that is a small part of the block.
func share(block []byte, from, to int64) []byte {
	part := block[from:to:to]
	if maxPinned*len(part) < len(block) {
		return slices.Clone(part)
	}
	return part
}

// HasChecksum reports whether Checksum may be called: the file fits into the cache.
func (f *File) HasChecksum() bool { return f.content != nil }

// Checksum returns the CRC-32C of the whole file. It waits until the file has been read.
// The error is as for Chunk.
func (f *File) Checksum(ctx context.Context) (uint32, error) {
	select {
	case <-f.content.done:
		return f.content.sum, f.content.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// KnownChecksum returns the CRC-32C of the whole file if it is already known.
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

// Close ends the use of the file.
func (f *File) Close() { f.dir.release() }

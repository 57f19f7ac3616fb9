package filecache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
)

// File is one version of a file, open for reading by one goroutine.
type File struct {
	Info
	// Cached says whether the file was in the cache when it was opened.
	Cached bool

	cache   *Cache
	content *content // nil: not cached
	disk    *os.File // nil: not needed so far
}

// Chunk returns the bytes at offset off, which must lie within the file: at least
// one of them and at most limit. It waits for bytes that are still being read.
// The slice must not be written to.
//
// A chunk is returned only if the file was not changed up to then. The error is ErrChanged, ctx's, or one of the file system.
func (f *File) Chunk(ctx context.Context, off, limit int64) ([]byte, error) {
	i := off / BlockSize
	from := off - i*BlockSize
	to := min(from+limit, BlockSize, f.Size-i*BlockSize)
	if f.content != nil {
		block, err := f.content.block(ctx, i)
		if err != nil {
			return nil, err
		}
		if block != nil {
			return share(block, from, to), nil
		}
		// Evicted under a slow reader.
	}
	return f.readDisk(off, min(to-from, diskChunk))
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

// readDisk reads n bytes at off past the cache.
func (f *File) readDisk(off, n int64) ([]byte, error) {
	if f.disk == nil {
		disk, fi, err := f.cache.openRegular(f.Name)
		if errors.Is(err, ErrNotFound) {
			return nil, ErrChanged
		} else if err != nil {
			return nil, err
		}
		f.disk = disk
		if Describe(f.Name, fi).Version != f.Version {
			return nil, ErrChanged
		}
	}
	b := make([]byte, n)
	if err := readFull(f.disk, b, off); err != nil {
		return nil, err
	}
	return b, f.verify(f.disk)
}

// HasChecksum reports whether Checksum is to be had: the file fits into the cache.
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

// Close ends the reading.
func (f *File) Close() {
	if f.disk != nil {
		f.disk.Close()
	}
}

// readBlocks reads all of c's file and makes its blocks readable as they come,
// but for the last, which it returns, with the checksum of the whole. A block may be
// all that a caller wants, so each is verified.
func (c *content) readBlocks(disk *os.File) (last []byte, sum uint32, err error) {
	for off := int64(0); off < c.info.Size; off += BlockSize {
		if last != nil {
			c.add(last)
		}
		last = make([]byte, min(BlockSize, c.info.Size-off))
		if err := readFull(disk, last, off); err != nil {
			return nil, 0, err
		}
		if err := c.info.verify(disk); err != nil {
			return nil, 0, err
		}
		sum = crc32.Update(sum, castagnoli, last)
	}
	return last, sum, nil
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
func (info Info) verify(disk *os.File) error {
	fi, err := disk.Stat()
	if err != nil {
		return fmt.Errorf("stat file: %w", err)
	}
	if Describe(info.Name, fi).Version != info.Version {
		return ErrChanged
	}
	return nil
}

// Describe returns what fi says of the file of that name.
func Describe(name string, fi fs.FileInfo) Info {
	version := make([]byte, 0, 3*16+2)
	version = strconv.AppendInt(version, fi.ModTime().UnixNano(), 16)
	version = append(version, '-')
	version = strconv.AppendInt(version, fi.Size(), 16)
	version = append(version, '-')
	version = strconv.AppendUint(version, inode(fi), 16)
	return Info{Name: name, Size: fi.Size(), Modified: fi.ModTime(), Version: string(version)}
}

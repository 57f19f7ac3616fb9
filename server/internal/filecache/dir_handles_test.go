package filecache

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestDescriptors reads more uncached files concurrently than may be open.
func TestDescriptors(t *testing.T) {
	const maxOpen, files = 16, 100
	dir := t.TempDir()
	c := openCache(t, dir, Options{MaxOpen: maxOpen}) // and nothing is cached
	for i := range files {
		write(t, dir, fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 5*diskChunk))
	}
	var most int
	var mu sync.Mutex
	var readers sync.WaitGroup
	for i := range files {
		readers.Go(func() {
			f, err := c.Open(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for off := int64(0); off < f.Size; {
				b, err := f.Chunk(t.Context(), off, BlockSize)
				if err != nil || b[0] != byte(i) || b[len(b)-1] != byte(i) {
					t.Errorf("file %d at %d: %v", i, off, err)
					return
				}
				off += int64(len(b))
				mu.Lock()
				most = max(most, c.Stats().Open)
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	if most > maxOpen {
		t.Errorf("%d files open, want at most %d", most, maxOpen)
	}
	eventually(t, "idle files are closed", func() bool { return c.Stats().Open == 0 })
}

// TestReopened closes the descriptor of a file between the chunks of a reader. The reader
// continues with the same version or gets an error.
func TestReopened(t *testing.T) {
	c, dir := newCache(t, 0)
	want := random(3 * diskChunk)
	write(t, dir, "f", want)
	f, err := c.Open(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []byte
	for int64(len(got)) < f.Size {
		b, err := f.Chunk(t.Context(), int64(len(got)), BlockSize)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
		c.handles.closeIdle(0, time.Now())
		if n := c.Stats().Open; n != 0 {
			t.Fatalf("%d files open", n)
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("the bytes differ")
	}
	write(t, dir, "f", want)
	if _, err := f.Chunk(t.Context(), 0, 1); !errors.Is(err, ErrChanged) {
		t.Errorf("another version: %v, want %v", err, ErrChanged)
	}
	if err := os.Remove(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	c.handles.closeIdle(0, time.Now())
	if _, err := f.Chunk(t.Context(), 0, 1); !errors.Is(err, ErrChanged) {
		t.Errorf("removed: %v, want %v", err, ErrChanged)
	}
}

// TestHugeSparseFile reads a file of the largest possible size. It costs nothing to create
// one.
func TestHugeSparseFile(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "parity-") // few file systems support such files
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	size := int64(math.MaxInt64)
	path := filepath.Join(dir, "huge")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for os.Truncate(path, size) != nil {
		if size >>= 1; size < 1<<40 {
			t.Skip("the file system does not support large files")
		}
	}
	t.Logf("%d bytes", size)
	write(t, dir, "small", []byte("small"))
	for _, capacity := range []int64{8 << 20, math.MaxInt64} {
		c := openCache(t, dir, Options{Capacity: capacity})
		if _, _, err := read(t.Context(), c, "small", 100); err != nil {
			t.Fatal(err)
		}
		f, err := c.Open(t.Context(), "huge")
		if err != nil {
			t.Fatal(err)
		}
		if f.HasChecksum() && capacity < size {
			t.Errorf("a file of %d bytes fits into a cache of %d", size, capacity)
		}
		offsets := []int64{0, BlockSize - 1}
		if !f.HasChecksum() {
			offsets = append(offsets, size/2, size-BlockSize, size-2, size-1)
		}
		for _, off := range offsets {
			for _, limit := range []int64{1, BlockSize, math.MaxInt64} {
				b, err := f.Chunk(t.Context(), off, limit)
				if err != nil || len(b) == 0 || int64(len(b)) > min(limit, f.ChunkSize(off)) {
					t.Errorf("Chunk(%d, %d) = %d bytes, %v; ChunkSize is %d", off, limit, len(b), err, f.ChunkSize(off))
				}
			}
		}
		if s := c.Stats(); s.Used < 0 || s.Used > s.Capacity || capacity < size && s.Files != 1 {
			t.Errorf("cache %+v", s)
		}
		f.Close()
		c.pool.close() // ends a fill that would take for ever
	}
}

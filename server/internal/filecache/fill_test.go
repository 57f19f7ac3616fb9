package filecache

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestFilledOnce opens a cold file 1,001 times at once. The first caller leaves. The file is
// read from disk once.
func TestFilledOnce(t *testing.T) {
	c, dir := newCache(t, 64<<20)
	want := random(2*BlockSize + 11)
	write(t, dir, "f", want)

	first, cancel := context.WithCancel(t.Context())
	f, err := c.Open(first, "f")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = f.Chunk(first, 2*BlockSize, BlockSize)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled caller got %v", err)
	}
	f.Close()

	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			f, err := c.Open(t.Context(), "f")
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for off := int64(0); off < f.Size; { // 1,000 copies would be 5 GiB
				b, err := f.Chunk(t.Context(), off, BlockSize)
				if err != nil || !bytes.Equal(b, want[off:off+int64(len(b))]) {
					t.Errorf("%d bytes at %d, error %v", len(b), off, err)
					return
				}
				off += int64(len(b))
			}
		})
	}
	callers.Wait()
	if n := c.Stats().Fills; n != 1 {
		t.Errorf("read from disk %d times, want once", n)
	}
}

// TestSentAsItArrives adds the blocks of a content one by one. Readers receive each block at
// once, not only when the file is complete.
func TestSentAsItArrives(t *testing.T) {
	c := newContent(Info{Size: 2 * BlockSize}, nil)
	f := &File{Info: c.info, content: c}
	got := make(chan []byte)
	go func() {
		for i := range int64(2) {
			b, err := f.Chunk(context.Background(), i*BlockSize, BlockSize)
			if err != nil {
				t.Error(err)
			}
			got <- b
		}
	}()
	for i := range 2 {
		block := bytes.Repeat([]byte{byte(i)}, BlockSize)
		c.add(block)
		if b := <-got; !bytes.Equal(b, block) {
			t.Errorf("block %d differs from the one added", i)
		}
	}
	c.finish(0, nil)
}

// TestChangeDuringFill truncates a file while it is read.
func TestChangeDuringFill(t *testing.T) {
	for _, size := range []int64{4 * BlockSize, 100 * BlockSize} { // cached, and too large for the cache
		c, dir := newCache(t, 8<<20)
		path := filepath.Join(dir, "f")
		write(t, dir, "f", make([]byte, size))
		f, err := c.Open(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size-1); err != nil {
			t.Fatal(err)
		}
		// If the fill was faster, the read succeeds with the old version.
		_, err = f.Chunk(t.Context(), size-1, BlockSize)
		if cached := slices.Contains(cachedNames(c), "f"); cached != (err == nil) {
			t.Errorf("%d bytes: error %v, cached: %v", size, err, cached)
		}
		if err != nil && !errors.Is(err, ErrChanged) {
			t.Errorf("%d bytes: error %v, want %v", size, err, ErrChanged)
		}
		f.Close()
	}
}

// TestFillNotCached runs fills whose content cannot be inserted into the cache. Readers must
// not keep the blocks in memory, because they are no longer charged.
func TestFillNotCached(t *testing.T) {
	want := random(2*BlockSize + 1)
	for name, spoil := range map[string]func(t *testing.T, c *Cache, path string) *generation{
		"directory replaced": func(t *testing.T, c *Cache, path string) *generation {
			other, err := openGeneration(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.release)
			return other
		},
		"file truncated": func(t *testing.T, c *Cache, path string) *generation {
			if err := os.Truncate(path, 1); err != nil {
				t.Fatal(err)
			}
			return c.dir.current.Load()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := newCache(t, 8<<20)
			path := filepath.Join(dir, "f")
			write(t, dir, "f", want)
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			f := c.openFile(spoil(t, c, path), describe("f", fi))
			defer f.Close()
			_, fillErr := f.Checksum(t.Context())
			if s := c.Stats(); s.Used != 0 || s.Files != 0 {
				t.Errorf("%d bytes charged for %d files, want none", s.Used, s.Files)
			}
			if !f.content.isDropped() {
				t.Error("the blocks are still in memory")
			}
			got, err := f.Chunk(t.Context(), 0, BlockSize)
			if !bytes.HasPrefix(want, got) || (err == nil) != (fillErr == nil) {
				t.Errorf("Chunk = %d bytes, %v; the fill ended with %v", len(got), err, fillErr)
			}
		})
	}
}

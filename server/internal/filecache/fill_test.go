package filecache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFillNotCached fills contents that cannot be inserted. A reader that stays must not
// keep their blocks in memory, because they are no longer charged to the cache.
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
			f := c.openFile(spoil(t, c, path), Describe("f", fi))
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

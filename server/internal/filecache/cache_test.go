package filecache

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCache returns a cache of an empty directory.
func newCache(tb testing.TB, capacity int64) (*Cache, string) {
	tb.Helper()
	dir := tb.TempDir()
	return openCache(tb, dir, Options{Capacity: capacity}), dir
}

func openCache(tb testing.TB, dir string, o Options) *Cache {
	tb.Helper()
	c, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// write writes a file and gives it a random modification time.
func write(tb testing.TB, dir, name string, data []byte) {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	then := time.Now().Add(-time.Hour).Add(time.Duration(rand.Int64N(int64(time.Minute))))
	if err := os.Chtimes(path, then, then); err != nil {
		tb.Fatal(err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// read reads a whole file in chunks of at most limit bytes and verifies its checksum.
func read(ctx context.Context, c *Cache, name string, limit int64) ([]byte, *File, error) {
	f, err := c.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	all := make([]byte, 0, f.Size)
	for int64(len(all)) < f.Size {
		b, err := f.Chunk(ctx, int64(len(all)), limit)
		if err != nil {
			return all, f, err
		}
		all = append(all, b...)
	}
	if f.HasChecksum() {
		sum, err := f.Checksum(ctx)
		if err != nil {
			return all, f, err
		}
		if want := crc32.Checksum(all, castagnoli); sum != want {
			return all, f, fmt.Errorf("checksum %08x, want %08x", sum, want)
		}
	}
	return all, f, nil
}

func cachedNames(c *Cache) []string {
	var names []string
	entries, err := c.List("", 0, 1000)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func TestRead(t *testing.T) {
	c, dir := newCache(t, 8<<20)
	sizes := []int{0, 1, 1000, BlockSize - 1, BlockSize, BlockSize + 1, 3 * BlockSize, 8<<20 - EntryOverhead, 8 << 20, 9<<20 + 7}
	for _, size := range sizes {
		write(t, dir, fmt.Sprint(size), random(size))
	}
	for _, size := range sizes {
		name, want := fmt.Sprint(size), random(size)
		for _, limit := range []int64{BlockSize, 1<<63 - 1, 100_003} {
			t.Run(fmt.Sprintf("%d bytes by %d", size, limit), func(t *testing.T) {
				c.remove(name)
				fits := int64(size)+EntryOverhead <= 8<<20
				for i := range 2 {
					got, f, err := read(t.Context(), c, name, limit)
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("read %d bytes, error %v; want the %d written", len(got), err, size)
					}
					if want := i == 1 && fits; f.Cached != want {
						t.Errorf("read %d: cached %v, want %v", i, f.Cached, want)
					}
				}
				if s := c.Stats(); s.Used > s.Capacity {
					t.Errorf("%d bytes used of %d", s.Used, s.Capacity)
				}
			})
		}
	}
}

// TestChurn reads more files than fit from many goroutines and checks the bound all the
// time.
func TestChurn(t *testing.T) {
	c, dir := newCache(t, 4<<20)
	files := map[string][]byte{}
	for i := range 20 {
		name := fmt.Sprint("f", i)
		files[name] = random(rand.IntN(2 << 20))
		write(t, dir, name, files[name])
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 50 {
				name := names[rand.IntN(len(names))]
				got, _, err := read(t.Context(), c, name, 300_000)
				if err != nil || !bytes.Equal(got, files[name]) {
					t.Errorf("read(%q): %d bytes, %v", name, len(got), err)
				}
				if s := c.Stats(); s.Used > s.Capacity {
					t.Errorf("%d bytes used of %d", s.Used, s.Capacity)
				}
			}
		})
	}
	readers.Wait()
}

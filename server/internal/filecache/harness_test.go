package filecache

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// write makes a file with a time of modification of its own.
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

// read opens a file and reads it to the end in chunks of at most limit bytes.
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
	entries, err := c.List(0, 1000)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

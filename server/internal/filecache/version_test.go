package filecache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestVersion changes the content of a file in ways that keep its name, size and
// modification time.
func TestVersion(t *testing.T) {
	rewrite := func(path string, data []byte) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Write(data)
		return err
	}
	for name, change := range map[string]func(path string, data []byte) error{
		"written in place": rewrite,
		"cp -p over it":    func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) },
		"removed and recreated": func(path string, data []byte) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600))
		},
		"replaced by a rename": func(path string, data []byte) error {
			return errors.Join(os.WriteFile(path+"~", data, 0o600), os.Rename(path+"~", path))
		},
	} {
		for _, size := range []int{1000, 9 << 20} { // cached, and too large for the cache
			t.Run(name, func(t *testing.T) {
				c, dir := newCache(t, 8<<20)
				path := filepath.Join(dir, "f")
				old, changed := bytes.Repeat([]byte("o"), size), bytes.Repeat([]byte("n"), size)
				write(t, dir, "f", old)
				was, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				got, before, err := read(t.Context(), c, "f", BlockSize)
				if err != nil || !bytes.Equal(got, old) {
					t.Fatalf("read %d bytes, error %v", len(got), err)
				}
				slow, err := c.Open(t.Context(), "f")
				if err != nil {
					t.Fatal(err)
				}
				defer slow.Close()
				// Without waiting: versions differ however soon the change comes.
				if err := change(path, changed); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, was.ModTime(), was.ModTime()); err != nil {
					t.Fatal(err)
				}
				got, after, err := read(t.Context(), c, "f", BlockSize)
				if err != nil || !bytes.Equal(got, changed) {
					t.Errorf("after the change: read %.1q…, %v; want the new content", got, err)
				}
				if after.Version == before.Version || len(after.Version) != 22 {
					t.Errorf("versions %q and %q", before.Version, after.Version)
				}
				// An open reader gets the rest of the old version, or an error.
				if b, err := slow.Chunk(t.Context(), slow.Size-1, 1); !errors.Is(err, ErrChanged) && (err != nil || b[0] != 'o') {
					t.Errorf("the open reader got %q, %v", b, err)
				}
			})
		}
	}
}

func TestFresh(t *testing.T) {
	c, dir := newCache(t, 1<<20)
	for i := range 5 {
		want := []byte(fmt.Sprint("version ", i))
		write(t, dir, "f", want)
		for range 2 {
			if got, _, err := read(t.Context(), c, "f", 100); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %q, %v; want %q", got, err, want)
			}
		}
	}
	if err := os.Remove(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), "f"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open of a removed file: %v, want %v", err, ErrNotFound)
	}
	if got := cachedNames(c); len(got) != 0 {
		t.Errorf("cached after its removal: %q", got)
	}
}

// TestJustWritten rewrites a file within one tick of the file system's clock. Size and times
// stay the same, but readers must see the new content.
func TestJustWritten(t *testing.T) {
	c, dir := newCache(t, 1<<20)
	path := filepath.Join(dir, "f")
	for i := range 10 {
		var last []byte
		for j := range 10 {
			last = fmt.Appendf(nil, "%02d %02d", i, j)
			if err := os.WriteFile(path, last, 0o600); err != nil {
				t.Fatal(err)
			}
			if j == 4 {
				_, _, err := read(t.Context(), c, "f", 100)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, _, err := read(t.Context(), c, "f", 100); err != nil || !bytes.Equal(got, last) {
			t.Fatalf("read %q, %v; want %q", got, err, last)
		}
	}
}

// TestBeingEmptied opens an empty file with an old change time. The kernel shows a file like
// this while it is being truncated, before it updates the time.
func TestBeingEmptied(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "f", nil)
	synctest.Test(t, func(t *testing.T) {
		c := openCache(t, dir, Options{Capacity: 8 << 20})
		var group sync.WaitGroup
		group.Go(func() {
			data, _, err := read(t.Context(), c, "f", BlockSize)
			if err != nil || string(data) != "written anew" {
				t.Errorf("read %q, %v; want the content written after the truncation", data, err)
			}
		})
		time.Sleep(settleTime / 2)
		write(t, dir, "f", []byte("written anew"))
		group.Wait()
	})
}

// TestNeverMixed rewrites files in place while they are read: a cached one, and one that is
// too large for the cache.
func TestNeverMixed(t *testing.T) {
	for _, size := range []int{3 * BlockSize, 10 * BlockSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c, dir := newCache(t, 8<<20)
			path := filepath.Join(dir, "f")
			write(t, dir, "f", make([]byte, size))
			stop := make(chan struct{})
			var (
				writer  sync.WaitGroup
				aborted atomic.Int64 // each lengthens the writer's pauses, for machines that read slowly
			)
			writer.Go(func() {
				for version := byte(1); ; version++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(rand.Int64N(200+20*aborted.Load())) * time.Millisecond):
					}
					// In place: a reader may see old and new bytes.
					f, err := os.OpenFile(path, os.O_WRONLY, 0)
					if err != nil {
						t.Error(err)
						return
					}
					f.Write(bytes.Repeat([]byte{version}, size))
					f.Close()
				}
			})
			whole := 0
			for began := time.Now(); time.Since(began) < 2*time.Second || whole == 0 && time.Since(began) < time.Minute; {
				got, _, err := read(t.Context(), c, "f", BlockSize)
				switch {
				case errors.Is(err, ErrChanged):
					aborted.Add(1)
				case err != nil:
					t.Fatal(err)
				case len(got) != size || len(bytes.Trim(got, string(got[:1]))) > 0:
					t.Fatal("bytes of two versions")
				default:
					whole++
				}
			}
			close(stop)
			writer.Wait()
			t.Logf("%d whole, %d aborted", whole, aborted.Load())
			if whole == 0 {
				t.Error("no read succeeded")
			}
		})
	}
}

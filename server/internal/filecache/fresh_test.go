package filecache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestJustWritten rewrites a file within one tick of the file system's clock: time
// of modification and size stay the same, the content must not.
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

// TestBeingEmptied opens a file that is empty and has an old time: so the kernel shows
// a file that is being emptied, until it has got to its time.
func TestBeingEmptied(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "f", nil)
	synctest.Test(t, func(t *testing.T) {
		c := openCache(t, dir, Options{Capacity: 8 << 20})
		var group sync.WaitGroup
		group.Go(func() {
			data, _, err := read(t.Context(), c, "f", BlockSize)
			if err != nil || string(data) != "written anew" {
				t.Errorf("read %q, error %v; want what was written when it had been emptied", data, err)
			}
		})
		time.Sleep(settle / 2)
		write(t, dir, "f", []byte("written anew"))
		group.Wait()
	})
}

// TestNeverMixed rewrites files, cached and too large for it, while they are read.
func TestNeverMixed(t *testing.T) {
	for _, size := range []int{3 * BlockSize, 10 * BlockSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c, dir := newCache(t, 8<<20)
			path := filepath.Join(dir, "f")
			write(t, dir, "f", make([]byte, size))
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for version := byte(1); ; version++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(rand.IntN(200)) * time.Millisecond):
					}
					// In place, so that a reader sees old and new.
					f, err := os.OpenFile(path, os.O_WRONLY, 0)
					if err != nil {
						t.Error(err)
						return
					}
					f.Write(bytes.Repeat([]byte{version}, size))
					f.Close()
				}
			})
			var whole, aborted int
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
				got, _, err := read(t.Context(), c, "f", BlockSize)
				switch {
				case errors.Is(err, ErrChanged):
					aborted++
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
			t.Logf("%d whole, %d aborted", whole, aborted)
			if whole == 0 {
				t.Error("never read whole")
			}
		})
	}
}

// TestChangeDuringFill cuts a file short under its reader.
func TestChangeDuringFill(t *testing.T) {
	for _, size := range []int64{4 * BlockSize, 100 * BlockSize} { // cached, and past the cache
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
		// The fill may have been faster, and then what was read is whole.
		_, err = f.Chunk(t.Context(), size-1, BlockSize)
		if cached := slices.Contains(cachedNames(c), "f"); cached != (err == nil) {
			t.Errorf("%d bytes: error %v, in the cache: %v", size, err, cached)
		}
		if err != nil && !errors.Is(err, ErrChanged) {
			t.Errorf("%d bytes: error %v, want %v", size, err, ErrChanged)
		}
		f.Close()
	}
}

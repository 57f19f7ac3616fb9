package filecache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

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
				c.forget(name)
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

// TestFilledOnce: however many come at once, and though the first goes away again.
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

// TestSentAsItArrives fills a content by hand to see that readers get each block
// when it is there, and not only when all are.
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
			t.Errorf("block %d is not what was added", i)
		}
	}
	c.finish(0, nil)
}

// TestEvictedUnderReader: who reads slowly goes on from the file, and holds no
// more than a block of what was evicted.
func TestEvictedUnderReader(t *testing.T) {
	c, dir := newCache(t, 4<<20)
	want := random(3 * BlockSize)
	write(t, dir, "slow", want)
	write(t, dir, "other", random(3*BlockSize))
	if _, _, err := read(t.Context(), c, "slow", BlockSize); err != nil {
		t.Fatal(err)
	}
	f, err := c.Open(t.Context(), "slow")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Chunk(t.Context(), 0, BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan struct{})
	blocks := f.content.blocks.Load()
	runtime.AddCleanup(&(*blocks)[2][0], func(struct{}) { close(freed) }, struct{}{})
	if _, _, err := read(t.Context(), c, "other", BlockSize); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	select {
	case <-freed:
	default:
		t.Error("the evicted file's blocks are still in memory")
	}
	all := slices.Clone(got)
	for int64(len(all)) < f.Size {
		b, err := f.Chunk(t.Context(), int64(len(all)), BlockSize)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if !bytes.Equal(all, want) {
		t.Error("other bytes after the eviction")
	}

	write(t, dir, "slow", random(3*BlockSize+1))
	if _, err := f.Chunk(t.Context(), BlockSize, BlockSize); !errors.Is(err, ErrChanged) {
		t.Errorf("after eviction and change: %v, want %v", err, ErrChanged)
	}
}

func TestOnlyRegularFilesBelow(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "secret", []byte("secret"))
	c, dir := newCache(t, 1<<20)
	write(t, dir, "f", []byte("content"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	write(t, dir, "sub/f", []byte("content"))
	must(os.Symlink("f", filepath.Join(dir, "inside")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "absolute")))
	must(os.Symlink("../"+filepath.Base(outside)+"/secret", filepath.Join(dir, "relative")))
	must(os.Symlink(outside, filepath.Join(dir, "outdir")))
	must(os.Symlink("loop", filepath.Join(dir, "loop")))
	must(os.Symlink("/dev/zero", filepath.Join(dir, "zero")))
	must(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))

	for _, name := range []string{"f", "sub/f", "inside"} {
		if got, _, err := read(t.Context(), c, name, 100); err != nil || string(got) != "content" {
			t.Errorf("read(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"none", "", ".", "..", "sub", "sub/", "/f", "./f", "sub//f", "sub/../f", "../" + filepath.Base(dir) + "/f",
		filepath.Join(dir, "f"), "absolute", "relative", "outdir/secret", "loop", "zero", "fifo", "f/f", "a\x00b",
		string(bytes.Repeat([]byte("x"), 5000)),
	} {
		if _, err := c.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Open(%.40q) = %v, want %v", name, err, ErrNotFound)
		}
	}
}

func TestHidden(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "secret", []byte("s"))
	secret, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := openCache(t, dir, Options{Capacity: 1 << 20, Hidden: func(fi fs.FileInfo) bool { return os.SameFile(fi, secret) }})
	if err := os.Symlink("secret", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "link"} {
		if _, err := c.Open(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Open(%q) = %v, want %v", name, err, ErrNotFound)
		}
	}
}

// TestChurn reads more files than fit from many goroutines, with the bound checked
// all along.
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

func BenchmarkOpenRead(b *testing.B) {
	for _, bb := range []struct {
		name     string
		size     int
		capacity int64
	}{
		{"hit/4KiB", 4 << 10, 64 << 20},
		{"hit/32MiB", 32 << 20, 64 << 20},
		{"uncached/4KiB", 4 << 10, 0},
		{"uncached/32MiB", 32 << 20, 0},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c, dir := newCache(b, bb.capacity)
			write(b, dir, "f", random(bb.size))
			time.Sleep(settle)
			b.SetBytes(int64(bb.size))
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.Open(b.Context(), "f")
				if err != nil {
					b.Fatal(err)
				}
				for off := int64(0); off < f.Size; {
					chunk, err := f.Chunk(b.Context(), off, BlockSize)
					if err != nil {
						b.Fatal(err)
					}
					off += int64(len(chunk))
					io.Discard.Write(chunk)
				}
				f.Close()
			}
		})
	}
}

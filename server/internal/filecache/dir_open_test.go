//go:build unix

package filecache

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

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

// TestSettles checks how long a file must stay unchanged before it is read, so that a later
// change is noticed.
func TestSettles(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) Info {
		changed := now.Add(d).UnixNano()
		return Info{Size: 1, stamp: stamp{modified: now.Add(-time.Hour).UnixNano(), changed: changed}}
	}
	fresh, future := at(0), at(time.Hour)
	empty := at(-time.Hour)
	empty.Size = 0
	for _, tt := range []struct {
		name string
		info Info
		seen stamp
		wait bool
	}{
		{"changed long ago", at(-time.Hour), stamp{}, false},
		{"just changed", fresh, stamp{}, true},
		{"changed in the future", future, stamp{}, true},
		{"unchanged after a wait", future, future.stamp, false},
		{"changed again after a wait", future, fresh.stamp, true},
		{"empty", empty, stamp{}, true},
		{"still empty", empty, empty.stamp, false},
	} {
		if got := tt.info.settleWait(tt.seen); got > settleTime || (got > 0) != tt.wait {
			t.Errorf("%s: settleWait = %s, want a wait: %v", tt.name, got, tt.wait)
		}
	}
}

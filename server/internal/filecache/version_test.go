package filecache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestVersion changes a file's content in ways that leave its name, its size and its
// time of modification alone.
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
		"removed and made anew": func(path string, data []byte) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600))
		},
		"another in its place": func(path string, data []byte) error {
			return errors.Join(os.WriteFile(path+"~", data, 0o600), os.Rename(path+"~", path))
		},
	} {
		for _, size := range []int{1000, 9 << 20} { // cached, and too large for it
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
				// No wait: the versions differ however soon the change comes.
				if err := change(path, changed); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, was.ModTime(), was.ModTime()); err != nil {
					t.Fatal(err)
				}
				got, after, err := read(t.Context(), c, "f", BlockSize)
				if err != nil || !bytes.Equal(got, changed) {
					t.Errorf("then read %.1q…, error %v; want the new content", got, err)
				}
				if after.Version == before.Version || len(after.Version) != 22 {
					t.Errorf("versions %q and %q", before.Version, after.Version)
				}
				// Who was reading gets the rest of what it began with, or an error.
				if b, err := slow.Chunk(t.Context(), slow.Size-1, 1); !errors.Is(err, ErrChanged) && (err != nil || b[0] != 'o') {
					t.Errorf("who was reading goes on with %q, error %v", b, err)
				}
			})
		}
	}
}

// TestSettles: however old a file is said to be, it is only taken for what it is
// when a later change would be seen.
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
		{"the same after a wait", future, future.stamp, false},
		{"another one after a wait", future, fresh.stamp, true},
		{"empty", empty, stamp{}, true},
		{"still empty", empty, empty.stamp, false},
	} {
		if got := tt.info.unsettled(tt.seen); got > settle || (got > 0) != tt.wait {
			t.Errorf("%s: wait %s, want one: %v", tt.name, got, tt.wait)
		}
	}
}

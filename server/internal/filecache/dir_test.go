package filecache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// mkdir makes a directory that contains a file f, and returns its path.
func mkdir(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "f", []byte(content))
	return path
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute, not yet: %s", what)
		}
	}
}

// TestDirectoryReplaced replaces the open directory by another one in several ways.
func TestDirectoryReplaced(t *testing.T) {
	for name, replace := range map[string]func(path, other string) error{
		"removed and recreated": func(path, other string) error {
			return errors.Join(os.RemoveAll(path), os.Rename(other, path))
		},
		"moved away": func(path, other string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Rename(other, path))
		},
		"a symbolic link": func(path, other string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(other, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			path := mkdir(t, filepath.Join(parent, "d"), "old")
			other := mkdir(t, filepath.Join(parent, "other"), "new content")
			write(t, path, "gone", nil)
			c := openCache(t, path, Options{Capacity: 1 << 20})
			for _, name := range []string{"f", "gone"} {
				if _, _, err := read(t.Context(), c, name, 100); err != nil {
					t.Fatal(err)
				}
			}
			slow, err := c.Open(t.Context(), "f")
			if err != nil {
				t.Fatal(err)
			}
			defer slow.Close()
			old := c.dir.current.Load()
			if err := replace(path, other); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the new file is served", func() bool {
				got, _, err := read(t.Context(), c, "f", 100)
				return err == nil && string(got) == "new content"
			})
			if _, err := c.Open(t.Context(), "gone"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Open of a file of the old directory: %v", err)
			}
			if got := cachedNames(c); len(got) != 1 {
				t.Errorf("cached: %q", got)
			}
			if err := c.Health(); err != nil {
				t.Errorf("health: %v", err)
			}
			if n := old.users.Load(); n != 1 {
				t.Errorf("the old directory has %d users, want only its reader", n)
			}
		})
	}
}

// TestDirectoryLinkSwapped replaces the symbolic link at the path by another one.
func TestDirectoryLinkSwapped(t *testing.T) {
	parent := t.TempDir()
	a, b := mkdir(t, filepath.Join(parent, "a"), "a"), mkdir(t, filepath.Join(parent, "b"), "b")
	link := filepath.Join(parent, "current")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	c := openCache(t, link, Options{Capacity: 1 << 20})
	for _, target := range []string{b, a} {
		if err := errors.Join(os.Symlink(target, link+"~"), os.Rename(link+"~", link)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the link's new target is served", func() bool {
			got, _, err := read(t.Context(), c, "f", 100)
			return err == nil && string(got) == filepath.Base(target)
		})
	}
}

// TestDirectoryUnavailable removes the directory and recreates it.
func TestDirectoryUnavailable(t *testing.T) {
	parent := t.TempDir()
	path := mkdir(t, filepath.Join(parent, "d"), "old")
	c := openCache(t, path, Options{Capacity: 1 << 20})
	if _, _, err := read(t.Context(), c, "f", 100); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	// The first Open that finds no file discovers that there is no directory.
	if _, err := c.Open(t.Context(), "f"); !errors.Is(err, ErrDirectory) {
		t.Errorf("Open: %v, want %v", err, ErrDirectory)
	}
	if err := c.Health(); !errors.Is(err, ErrDirectory) {
		t.Errorf("Health: %v, want %v", err, ErrDirectory)
	}
	if _, err := c.List("", 0, 10); !errors.Is(err, ErrDirectory) {
		t.Errorf("List: %v, want %v", err, ErrDirectory)
	}
	if _, _, err := c.Walk(t.Context(), "", "", 10, all); !errors.Is(err, ErrDirectory) {
		t.Errorf("Walk: %v, want %v", err, ErrDirectory)
	}
	mkdir(t, path, "new")
	eventually(t, "the directory is back", func() bool { return c.Health() == nil })
	if got, _, err := read(t.Context(), c, "f", 100); err != nil || string(got) != "new" {
		t.Errorf("after its return: read %q, %v", got, err)
	}
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a file in its place is noticed", func() bool { return errors.Is(c.Health(), ErrDirectory) })
}

// TestRefreshAfterClose closes a directory while a refresh hangs. The refresh must not leave
// another directory open.
func TestRefreshAfterClose(t *testing.T) {
	parent := t.TempDir()
	d, err := newDirectory(mkdir(t, filepath.Join(parent, "d"), "old"))
	if err != nil {
		t.Fatal(err)
	}
	d.onReplace = func() { t.Error("onReplace was called after close") }
	d.refresh()
	old := d.current.Load()
	if err := os.Rename(d.path, d.path+".old"); err != nil {
		t.Fatal(err)
	}
	mkdir(t, d.path, "new")
	d.close()
	d.refresh()
	if d.current.Load() != old || old.users.Load() != 0 {
		t.Errorf("the closed directory has %d users; replaced by another: %v", old.users.Load(), d.current.Load() != old)
	}
	if _, err := d.acquire(); !errors.Is(err, errClosed) {
		t.Errorf("acquire: %v, want %v", err, errClosed)
	}
}

func all(string) bool { return true }

// TestWalkReplaced lists a directory that was just removed and recreated. Walk must list the
// new one, not find the removed one empty.
func TestWalkReplaced(t *testing.T) {
	parent := t.TempDir()
	path := mkdir(t, filepath.Join(parent, "d"), "old")
	c := openCache(t, path, Options{})
	for i := range 3 {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		mkdir(t, path, "new")
		write(t, path, fmt.Sprint("g", i), nil)
		_, err := c.Open(t.Context(), "none") // discovers that it was removed
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("Open: %v", err)
		}
		found, more, err := c.Walk(t.Context(), "", "", 10, all)
		if err != nil || more || len(found) != 2 || found[1].Name != fmt.Sprint("g", i) {
			t.Errorf("Walk = %v, %v, %v", found, more, err)
		}
	}
}

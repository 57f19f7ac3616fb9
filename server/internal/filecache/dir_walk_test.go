package filecache

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWalk lists a tree that is larger than one scan keeps, in pages of different sizes.
func TestWalk(t *testing.T) {
	c, dir := newCache(t, 0)
	var want []string
	add := func(name string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	for i := range 3 * minKeep {
		add(fmt.Sprint("m", i))
	}
	for _, name := range []string{"a/1", "a/b/2", "a/b/c/d/e/f", "a.txt", "a0", "m1.d/x", "m1/../z", "ü/ü", "m7-/1", "m7./1"} {
		add(filepath.Clean(name))
	}
	for i := range 2 * minKeep { // empty directories
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint("empty", i), "inner"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	add("rejected")
	want = want[:len(want)-1]
	byParts := func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) }
	slices.SortFunc(want, byParts)
	accept := func(name string) bool { return name != "rejected" }

	for _, size := range []int{1, 7, minKeep - 1, minKeep, minKeep + 1, len(want) - 1, len(want), len(want) + 1} {
		if size == 1 && testing.Short() {
			continue
		}
		var got []string
		for more, after := true, ""; more; {
			var page []Info
			var err error
			if page, more, err = c.Walk(t.Context(), "", after, size, accept); err != nil {
				t.Fatal(err)
			}
			if len(page) > size || more && len(page) < size {
				t.Fatalf("a page of %d files, more %v; want %d", len(page), more, size)
			}
			for _, f := range page {
				got = append(got, f.Name)
				after = f.Name
			}
			if size == 1 && len(got) == 40 { // enough pages of this size
				break
			}
		}
		if n := len(got); !slices.Equal(got, want[:n]) || n < len(want) && size > 1 {
			t.Errorf("by %d: %d files, want %d: %q", size, n, len(want), got)
		}
	}
	// After names that do not exist.
	for range 100 {
		after := want[rand.IntN(len(want))] + "!"
		i, _ := slices.BinarySearchFunc(want, after, byParts)
		page, _, err := c.Walk(t.Context(), "", after, 1, accept)
		if err != nil || len(page) != min(1, len(want)-i) || len(page) == 1 && page[0].Name != want[i] {
			t.Errorf("after %q: %v, %v", after, page, err)
		}
	}
}

// TestWalkPrefix checks that a walk reads no directory that cannot contain the prefix.
func TestWalkPrefix(t *testing.T) {
	c, dir := newCache(t, 0)
	for _, name := range []string{"a", "ab", "ab/c", "ab/cd", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	accept := func(name string) bool { asked = append(asked, name); return true }
	found, more, err := c.Walk(t.Context(), "ab/cd", "", 10, accept)
	if err != nil || more || len(found) != 1 || found[0].Name != "ab/cd/f" {
		t.Errorf("Walk = %v, %v, %v; want ab/cd/f", found, more, err)
	}
	if want := []string{"ab", "ab/cd", "ab/cd/f"}; !slices.Equal(asked, want) {
		t.Errorf("the walk considered %q, want %q", asked, want)
	}
}

// TestWalkSlowDisk lists a directory on a slow disk. A scan that makes progress does not
// count as hanging.
func TestWalkSlowDisk(t *testing.T) {
	const files = 600
	dir := t.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		slow := func(fs.FileInfo) bool { time.Sleep(100 * time.Millisecond); return false }
		c := openCache(t, dir, Options{Hidden: slow})
		var walk sync.WaitGroup
		walk.Go(func() {
			found, _, err := c.Walk(t.Context(), "", "", files, all)
			if err != nil || len(found) != files {
				t.Errorf("Walk = %d files, %v; want %d", len(found), err, files)
			}
		})
		for range 50 {
			time.Sleep(time.Second)
			if err := c.Health(); err != nil {
				t.Error(err)
			}
		}
		walk.Wait()
	})
}

// TestWalkMemory checks that the memory of a scan does not depend on the size of the
// directory.
func TestWalkMemory(t *testing.T) {
	c, dir := newCache(t, 0)
	for i := range 5 * scanBatch {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	op := &scanOp{dir: c.dir.current.Load(), name: ".", keep: minKeep}
	op.accept = func(string) bool {
		most = max(most, cap(op.entries))
		return true
	}
	if err := op.scan(&job{pool: c.pool, state: running, callers: 1}); err != nil || len(op.entries) != minKeep {
		t.Fatalf("%d entries, error %v", len(op.entries), err)
	}
	if limit := 2 * (2*minKeep + 2*scanBatch); most > limit {
		t.Errorf("%d entries in memory, want at most %d", most, limit)
	}
}

package download

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

var errAborted = status.Error(codes.Aborted, "another version")

// TestGroupPlaces: of two names that lead to one file, one is downloaded, and nothing is
// lost, with Force and at once as well. A link stands for a file system that does not tell
// the names apart.
func TestGroupPlaces(t *testing.T) {
	for name, atOnce := range map[string]bool{"in turn": false, "at once": true} {
		t.Run(name, func(t *testing.T) {
			files := new(fakeserver.Files)
			files.Put("d/f", []byte("of d"))
			files.Put("link/f", []byte("of link"))
			var both sync.WaitGroup
			both.Add(2)
			files.Before = func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
				if atOnce {
					both.Done()
					both.Wait()
				}
				return nil
			}
			_, client := newServer(t, files)
			dir := t.TempDir()
			file := filepath.Join(dir, "d", "f")
			if err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o700), os.Symlink("d", filepath.Join(dir, "link")), os.WriteFile(file, []byte("mine"), 0o600)); err != nil {
				t.Fatal(err)
			}
			opts := Options{Force: true, Group: NewGroup(0)}
			errs := make(chan error, 2)
			var done sync.WaitGroup
			for _, name := range []string{"d/f", "link/f"} {
				get := func() {
					_, err := GetBelow(t.Context(), client, name, dir, opts)
					errs <- err
				}
				if atOnce {
					done.Go(get)
				} else {
					get()
				}
			}
			done.Wait()
			a, b := <-errs, <-errs
			if a == nil {
				a, b = b, a
			}
			if !errors.Is(a, errClash) && !errors.Is(a, errBusy) || b != nil {
				t.Errorf("GetBelow = %v and %v, want one of them to fail", a, b)
			}
			if got, _ := os.ReadFile(file); !strings.HasPrefix(string(got), "of ") {
				t.Errorf("the file has %q", got)
			}
		})
	}
}

// TestNoSpace: without enough space nothing is fetched but the first look, and a part of
// an earlier run is kept.
func TestNoSpace(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", random(3*segmentSize, 70))
	files.Put("huge", random(chunk, 71))
	files.Describe("huge", func(f *filesv1.File) { f.SizeBytes = math.MaxInt64 / 2 })
	_, client := newServer(t, files)
	dir := t.TempDir()
	_, err := GetBelow(t.Context(), client, "huge", dir, Options{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "not enough space: 4.0 EiB needed, ") {
		t.Errorf("GetBelow = %v", err)
	}
	wantDir(t, dir)

	// What other downloads of the group will write is not free.
	group := NewGroup(0)
	root := openRoot(t, dir)
	defer root.Close()
	free, known := freeSpace(root)
	if !known {
		t.Skip("the free space is not known here")
	}
	other, err := group.reserve(root, free/2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := group.reserve(root, free-free/4); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserved more than there is: %v", err)
	}
	other.used(free / 4)
	other.release()
	if group.claimed != 0 {
		t.Errorf("%d bytes are still claimed", group.claimed)
	}
	if _, err := GetBelow(t.Context(), client, "f", dir, Options{Group: group}); err != nil {
		t.Error(err)
	}
}

// TestLimit: the downloads of a group together take as long as their limit wants.
func TestLimit(t *testing.T) {
	const size, limit = 4 * segmentSize, segmentSize // bytes, and bytes a second
	files := &fakeserver.Files{Whole: true}
	data := random(size, 72)
	files.Put("a", data)
	files.Put("b", data)
	bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
		group, dir := NewGroup(limit), t.TempDir()
		group.Lend(client)
		start := time.Now()
		var both sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			both.Go(func() {
				r, err := GetBelow(t.Context(), client, name, dir, Options{Group: group})
				if err != nil {
					t.Error(err)
					return
				}
				wantFile(t, r.Path, data)
			})
		}
		both.Wait()
		if took := time.Since(start); took < 7*time.Second || took > 9*time.Second {
			t.Errorf("%d bytes took %v at %d a second", 2*size, took, limit)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the smallest limit, and a context that ends
		group := NewGroup(1)
		if n := group.segment(1 << 30); n != leastLimited {
			t.Errorf("segments are of %d bytes", n)
		}
		start := time.Now()
		if err := group.wait(t.Context(), 100<<10); err != nil {
			t.Error(err)
		}
		if took := time.Since(start).Seconds(); took != (100-32)<<10 {
			t.Errorf("waited %v s", took)
		}
	})
}

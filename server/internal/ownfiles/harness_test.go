//go:build unix

package ownfiles

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a test directory with a Set of own files in it.
type folder struct {
	tb  testing.TB
	dir string
	set *Set
}

// newFolder returns an empty folder. open makes server.log and key.pem its own files.
func newFolder(tb testing.TB) *folder { return &folder{tb: tb, dir: tb.TempDir()} }

func (f *folder) open() {
	f.set = New(f.path("server.log"), f.path("key.pem"))
	f.tb.Cleanup(f.set.Close)
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) do(err error) {
	f.tb.Helper()
	if err != nil {
		f.tb.Fatal(err)
	}
}

func (f *folder) write(names ...string) {
	f.tb.Helper()
	for _, name := range names {
		f.do(os.MkdirAll(filepath.Dir(f.path(name)), 0o700))
		f.do(os.WriteFile(f.path(name), []byte(name), 0o600))
	}
}

func (f *folder) move(from, to string) { f.tb.Helper(); f.do(os.Rename(f.path(from), f.path(to))) }

func (f *folder) link(old, name string) { f.tb.Helper(); f.do(os.Link(f.path(old), f.path(name))) }

func (f *folder) symlink(old, name string) { f.tb.Helper(); f.do(os.Symlink(old, f.path(name))) }

func (f *folder) stat(name string) fs.FileInfo {
	f.tb.Helper()
	fi, err := os.Stat(f.path(name))
	f.do(err)
	return fi
}

func (f *folder) want(hidden bool, names ...string) {
	f.tb.Helper()
	for _, name := range names {
		if got := f.set.Hides(f.stat(name)); got != hidden {
			f.tb.Errorf("Hides(%q) = %v", name, got)
		}
	}
}

// growOld waits until Hides needs no scan for the files.
func (f *folder) growOld(names ...string) {
	f.tb.Helper()
	for _, name := range names {
		for changed(f.stat(name)).UnixNano() >= f.set.scanned.Load()-int64(recent) {
			time.Sleep(scanEvery / 10)
		}
	}
}

//go:build unix

package ownfiles

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIsRotation(t *testing.T) {
	for name, want := range map[string]bool{
		"server.log":                            false, // own by path
		"server.log.1":                          true,
		"server.log.2.gz":                       true,
		"server.log.gz":                         true,
		"server.log-20260102":                   true,
		"server.log-20260102-030405.zst":        true,
		"server.log.old":                        true,
		"server.log~":                           true,
		"server.1.log":                          true,
		"server-20260102.log":                   true,
		"server-2026-01-02T03-04-05.678.log":    true,
		"server-2026-01-02T03-04-05.678.log.gz": true,
		"server-notes.log":                      false,
		"server.log.html":                       false,
		"server-.log":                           false,
		"server.log.":                           false,
		"server2.log":                           false,
		"server.gz":                             false,
		"a.log":                                 false,
		"":                                      false,
	} {
		if got := isRotation("server.log", name); got != want {
			t.Errorf("isRotation(server.log, %q) = %v", name, got)
		}
	}
	for base, name := range map[string]string{
		"log[1].txt": "log[1]-2026-01-02T03-04-05.678.txt",
		"log*":       "log*.1",
		"parity":     "parity-2026-01-02T03-04-05.678",
	} {
		if !isRotation(base, name) {
			t.Errorf("isRotation(%q, %q) = false", base, name)
		}
	}
	for base, name := range map[string]string{"log[1].txt": "log1-2026.txt", "log*": "log-book.1", "parity": "parity.pdf"} {
		if isRotation(base, name) {
			t.Errorf("isRotation(%q, %q) = true", base, name)
		}
	}
}

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

func (f *folder) move(from, to string)     { f.tb.Helper(); f.do(os.Rename(f.path(from), f.path(to))) }
func (f *folder) link(old, name string)    { f.tb.Helper(); f.do(os.Link(f.path(old), f.path(name))) }
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

// TestHides does not wait for the periodic scan.
func TestHides(t *testing.T) {
	f := newFolder(t)
	f.write("server.log.1", "notes.txt")
	f.link("server.log.1", "linked before")
	f.open()
	f.want(true, "server.log.1", "linked before")
	f.want(false, "notes.txt")

	f.write("server.log") // created after open
	f.write("key.pem")
	f.link("key.pem", "linked key")
	f.symlink("server.log", "symlink")
	f.want(true, "server.log", "symlink", "key.pem", "linked key")
	f.write("sub/server.log", "sub/server.log.1")
	f.want(false, "sub/server.log", "sub/server.log.1", "notes.txt")

	f.move("server.log", "sub/moved away") // rotated
	f.write("server.log")
	f.want(true, "server.log", "sub/moved away")

	f.write("new key") // renewed
	f.want(false, "new key")
	f.move("new key", "key.pem")
	f.symlink("key.pem", "key by another name")
	f.want(true, "key.pem", "key by another name", "linked key")

	f.write("server-2026-01-02T03-04-05.678.log") // a rotation
	f.want(true, "server-2026-01-02T03-04-05.678.log")
}

// TestSymbolicLog has a log whose path is a symbolic link, and rotates it by renaming the
// link.
func TestSymbolicLog(t *testing.T) {
	f := newFolder(t)
	f.write("logs/real.log", "logs/real.log.1")
	f.symlink("logs/real.log", "server.log")
	f.open()
	f.want(true, "server.log", "logs/real.log", "logs/real.log.1")
	f.move("server.log", "server-2026-01-02T03-04-05.678.log")
	f.write("server.log")
	f.want(true, "server.log", "logs/real.log", "server-2026-01-02T03-04-05.678.log")
	f.move("logs/real.log", "logs/anything")
	f.want(true, "logs/anything")
}

// TestDeleted checks that the inode of a deleted own file can be reused.
func TestDeleted(t *testing.T) {
	f := newFolder(t)
	f.write("server.log")
	f.open()
	f.move("server.log", "moved")
	info := f.stat("moved")
	f.set.Scan()
	if !f.set.contains(info) {
		t.Error("the log is not recognised after a move")
	}
	f.do(os.Remove(f.path("moved")))
	f.set.Scan()
	if f.set.contains(info) {
		t.Error("the log is still known after its deletion, and its inode held")
	}
}

// TestOld asks about files that have not changed for some seconds, whose links a scan has
// found.
func TestOld(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("server.log", "server.log.7", "notes.txt")
	f.link("server.log.7", "link")
	f.open()
	f.growOld("notes.txt", "link")
	f.want(true, "server.log", "server.log.7", "link")
	f.want(false, "notes.txt")
}

// TestHangingDisk checks that Hides waits at most scanWait for a disk that hangs, and then
// hides files with the name of an own file.
func TestHangingDisk(t *testing.T) {
	f := newFolder(t)
	f.write("server.log", "notes.txt")
	for _, tt := range []struct {
		scanning time.Duration // how long the current scan has hung
		took     time.Duration // by two calls of Hides
	}{{0, 2 * scanWait}, {2 * scanWait, 0}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			// No goroutine scans.
			s := &Set{bases: map[string]bool{"server.log": true}, requests: make(chan request), closed: make(chan struct{})}
			s.known.Store(&map[identity][]*file{})
			s.scanning.Store(began.Add(-tt.scanning).UnixNano())
			if !s.Hides(f.stat("server.log")) {
				t.Error("a file named like the log is not hidden")
			}
			s.scanning.Store(time.Now().Add(-tt.scanning).UnixNano())
			if s.Hides(f.stat("notes.txt")) {
				t.Error("another file is hidden")
			}
			if took := time.Since(began); took != tt.took {
				t.Errorf("took %v, want %v", took, tt.took)
			}
		})
	}
}

// TestMany checks that the number of descriptors is bounded, however many rotations exist.
func TestMany(t *testing.T) {
	f := newFolder(t)
	for i := range maxHeld + 50 {
		f.write(fmt.Sprintf("server.log.%d", i))
	}
	descriptors := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("descriptors cannot be counted on this platform: ", err)
		}
		return len(fds)
	}
	before := descriptors()
	f.open()
	for i := range maxHeld + 50 {
		f.want(true, fmt.Sprintf("server.log.%d", i))
	}
	if n := descriptors() - before; n > maxHeld+5 {
		t.Errorf("%d descriptors, want at most %d", n, maxHeld)
	}
}

// TestPathsBeyondLimit creates the log and the key after maxFiles rotations are known. They
// must be own files.
func TestPathsBeyondLimit(t *testing.T) {
	f := newFolder(t)
	for i := range maxFiles {
		f.write(fmt.Sprintf("server.log.%d", i))
	}
	f.open()
	f.write("server.log", "key.pem")
	f.want(true, "server.log", "key.pem", "server.log.0")
}

func TestIsBelow(t *testing.T) {
	f := newFolder(t)
	f.write("served/numbers.db")
	f.symlink("served", "alias")
	for path, want := range map[string]bool{"served/numbers.db": true, "alias/later": true, "key.pem": false, "none/none": false} {
		if got := IsBelow(f.path("alias"), f.path(path)); got != want {
			t.Errorf("IsBelow(%q) = %v", path, got)
		}
	}
}

func BenchmarkHides(b *testing.B) {
	f := newFolder(b)
	f.write("server.log", "notes.txt", "fresh")
	then := time.Now().Add(-time.Hour)
	f.do(os.Chtimes(f.path("notes.txt"), then, then))
	f.open()
	f.growOld("notes.txt")
	for _, name := range []string{"notes.txt", "server.log"} {
		b.Run(name, func(b *testing.B) {
			fi := f.stat(name)
			b.ReportAllocs()
			for b.Loop() {
				f.set.Hides(fi)
			}
		})
	}
	f.write("fresh")
	b.Run("fresh", func(b *testing.B) {
		fi := f.stat("fresh")
		for b.Loop() {
			f.set.Hides(fi)
		}
	})
}

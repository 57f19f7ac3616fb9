//go:build unix

package ownfiles

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

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

//go:build unix

package ownfiles

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestHides calls Hides right after every change, without waiting for the next full check.
func TestHides(t *testing.T) {
	f := newFolder(t)
	f.write("server.log.1")
	f.write("notes.txt")
	f.link("server.log.1", "linked before")
	f.open()
	f.want(true, "server.log.1", "linked before")
	f.want(false, "notes.txt")

	f.write("server.log") // created later
	f.write("key.pem")
	f.link("key.pem", "linked key")
	f.symlink("server.log", "symlink")
	f.want(true, "server.log", "symlink", "key.pem", "linked key")
	f.write("sub/server.log")
	f.write("sub/server.log.1")
	f.want(false, "sub/server.log", "sub/server.log.1", "notes.txt")

	f.move("server.log", "sub/moved away") // the log continues in a new file
	f.write("server.log")
	f.want(true, "server.log", "sub/moved away")

	f.write("new key") // renewed
	f.want(false, "new key")
	f.move("new key", "key.pem")
	f.symlink("key.pem", "key by another name")
	f.want(true, "key.pem", "key by another name", "linked key")

	f.write("server-2026-01-02T03-04-05.678.log") // rotated
	f.want(true, "server-2026-01-02T03-04-05.678.log")
}

// TestSymbolicLog has a log whose path is a symbolic link. Rotation renames the link.
func TestSymbolicLog(t *testing.T) {
	f := newFolder(t)
	f.write("logs/real.log")
	f.write("logs/real.log.1")
	f.symlink("logs/real.log", "server.log")
	f.open()
	f.want(true, "server.log", "logs/real.log", "logs/real.log.1")
	f.move("server.log", "server-2026-01-02T03-04-05.678.log")
	f.write("server.log")
	f.want(true, "server.log", "logs/real.log", "server-2026-01-02T03-04-05.678.log")
	f.move("logs/real.log", "logs/anything")
	f.want(true, "logs/anything")
}

// TestDeleted deletes an own file: its inode may be reused.
func TestDeleted(t *testing.T) {
	f := newFolder(t)
	f.write("server.log")
	f.open()
	f.move("server.log", "moved")
	info := f.stat("moved")
	f.set.Check()
	if !f.set.contains(info) {
		t.Error("a log that was moved away is no longer recognized")
	}
	f.do(os.Remove(f.path("moved")))
	f.set.Check()
	if f.set.contains(info) {
		t.Error("a deleted log is still held")
	}
}

// TestOld calls Hides for files that have not changed for long.
func TestOld(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("server.log")
	f.write("server.log.7")
	f.write("notes.txt")
	f.link("server.log.7", "link")
	f.open()
	f.growOld("notes.txt", "link")
	f.want(true, "server.log", "server.log.7", "link")
	f.want(false, "notes.txt")
}

// TestHangingDisk calls Hides while the disk of the own files hangs. It returns in time, and
// a file with the name of an own file counts as one.
func TestHangingDisk(t *testing.T) {
	f := newFolder(t)
	f.write("server.log")
	f.write("notes.txt")
	for _, tt := range []struct {
		checking time.Duration // how long the check that hangs has been in progress
		took     time.Duration // to ask twice
	}{{0, 2 * checkTimeout}, {2 * checkTimeout, 0}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			// No goroutine runs checks.
			s := &Set{bases: map[string]bool{"server.log": true}, checks: make(chan check), closed: make(chan struct{})}
			s.known.Store(&map[identity][]*file{})
			s.checking.Store(began.Add(-tt.checking).UnixNano())
			if !s.Hides(f.stat("server.log")) {
				t.Error("a file that may be the log is not hidden")
			}
			s.checking.Store(time.Now().Add(-tt.checking).UnixNano())
			if s.Hides(f.stat("notes.txt")) {
				t.Error("a user's file is hidden")
			}
			if took := time.Since(began); took != tt.took {
				t.Errorf("took %v, want %v", took, tt.took)
			}
		})
	}
}

// TestMany has more rotations than may be held open.
func TestMany(t *testing.T) {
	f := newFolder(t)
	for i := range maxHeld + 50 {
		f.write(fmt.Sprintf("server.log.%d", i))
	}
	descriptors := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("cannot count descriptors on this platform: ", err)
		}
		return len(fds)
	}
	before := descriptors()
	f.open()
	for i := range maxHeld + 50 {
		f.want(true, fmt.Sprintf("server.log.%d", i))
	}
	if n := descriptors() - before; n > maxHeld+5 {
		t.Errorf("%d descriptors, want %d at most", n, maxHeld)
	}
}

// TestPathsBeyondBound has as many rotations as are recognized. A log and a key that are
// created after them are own files nevertheless.
func TestPathsBeyondBound(t *testing.T) {
	f := newFolder(t)
	for i := range maxFiles {
		f.write(fmt.Sprintf("server.log.%d", i))
	}
	f.open()
	f.write("server.log")
	f.write("key.pem")
	f.want(true, "server.log", "key.pem", "server.log.0")
}

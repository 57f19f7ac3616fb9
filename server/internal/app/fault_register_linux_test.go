package app

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFaultFirstStartOnFullDisk starts for the first time on a full disk, and again when
// there is space.
func TestFaultFirstStartOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("parity", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 56<<10), 0o600); err != nil { // two pages are left
		t.Fatal(err)
	}
	args := registerArgs(t, "--state=sqlite:"+filepath.Join(dir, "numbers.db"))
	if out := endsFailing(t, args...); !strings.Contains(out, "--state") || !strings.Contains(out, "disk is full") || strings.Count(out, "\n") != 1 {
		t.Errorf("it says %q, want one line with the flag and that the disk is full", out)
	}
	if err := syscall.Mount("parity", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, args...)
	commitReport(t, begin(t, rpcDoor{p.dial(t)}, 7, 0), 12)
	if err := p.terminate(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

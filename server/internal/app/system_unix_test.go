//go:build unix

package app

import (
	"os"
	"syscall"
	"testing"
)

func mkfifo(path string) error { return os.NewSyscallError("mkfifo", syscall.Mkfifo(path, 0o600)) }

// hangup sends SIGHUP to the process of the tests.
func hangup() error { return syscall.Kill(os.Getpid(), syscall.SIGHUP) }

// freeze makes p hang, as far as others can see.
func (p *process) freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// raiseFileLimit lets the process open at least need files, or skips the test.
func raiseFileLimit(t *testing.T, need int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := uint64(limit.Max); most < uint64(need) { //nolint:unconvert // signed on FreeBSD
		t.Skipf("the limit on open files is %d, needs %d", most, need)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

//go:build unix

package download

import (
	"errors"
	"os"
	"syscall"
)

// openSafely makes opening a symbolic link fail, and opening a pipe not block.
const openSafely = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// lock takes an exclusive lock on f until f is closed. It returns errBusy if another
// process has it.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	return os.NewSyscallError("flock", err)
}

// ours reports whether only this user can have created the open file f, and it has no other
// name.
func ours(_ *os.File, info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}

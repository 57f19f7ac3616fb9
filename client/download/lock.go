package download

import (
	"errors"
	"os"
	"syscall"
)

// openSafely makes opening a link fail, and opening a pipe return.
const openSafely = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// lock makes f this process's own until it is closed, by whatever name others
// open it. It returns errBusy if it is another's.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	return os.NewSyscallError("flock", err)
}

// ours reports whether nobody but this user can have made the file, nor has
// another name for it.
func ours(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}

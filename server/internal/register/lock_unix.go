//go:build unix

package register

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a flock, which is independent of the record locks that SQLite takes on
// the same file.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return os.NewSyscallError("flock", err)
}

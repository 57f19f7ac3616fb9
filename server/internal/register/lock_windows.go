package register

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockSuffix is empty: the database itself is locked.
const lockSuffix = ""

// tryLock locks one byte far beyond the end of any file, where SQLite neither reads nor
// locks anything.
func tryLock(f *os.File) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return os.NewSyscallError("LockFileEx", err)
}

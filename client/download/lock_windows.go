package download

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// openSafely is empty. Windows has no flag against symbolic links: openLocked refuses one
// after it has opened what it leads to, and before it writes there. Named pipes are not in
// directories.
const openSafely = 0

// lock takes an exclusive lock on f until f is closed. It returns errBusy if another
// process has it. Windows locks are mandatory, so the lock is one byte far beyond the end of
// any file: this process reads and writes the file through other handles too.
func lock(f *os.File) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errBusy
	}
	return os.NewSyscallError("LockFileEx", err)
}

// ours reports whether the open file f has no other name. It does not compare owners, as
// it does elsewhere: Windows gives files of administrators to their group, and shares and
// FAT have other owners than the user. The checksum of the whole file decides in the end.
func ours(f *os.File, _ os.FileInfo) bool {
	var about windows.ByHandleFileInformation
	err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &about)
	return err == nil && about.NumberOfLinks == 1
}

package download

import (
	"os"

	"golang.org/x/sys/windows"
)

// freeSpace returns how many bytes this user may still write to the volume of dir, if it
// says so.
func freeSpace(dir *os.Root) (free int64, known bool) {
	path, err := windows.UTF16PtrFromString(dir.Name())
	if err != nil {
		return 0, false
	}
	var available uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, nil, nil); err != nil {
		return 0, false
	}
	return int64(min(available, maxFree)), true
}

//go:build linux || darwin || freebsd

package download

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes this user may still write to the file system of dir, if
// it says so.
func freeSpace(dir *os.Root) (free int64, known bool) {
	d, err := dir.Open(".")
	if err != nil {
		return 0, false
	}
	defer d.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(d.Fd()), &stat); err != nil {
		return 0, false
	}
	// The types of the fields differ between systems. FreeBSD counts below zero what only
	// the administrator may use.
	blocks, size := int64(stat.Bavail), int64(stat.Bsize) //nolint:unconvert // as above
	if blocks > 0 && size > maxFree/blocks {
		return maxFree, true
	}
	return max(blocks, 0) * size, true
}

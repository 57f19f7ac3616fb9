//go:build unix

package filecache

import (
	"io/fs"
	"syscall"
)

// inode tells two files of one name apart that one replaced by the other.
func inode(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

//go:build darwin || freebsd

package filecache

import (
	"io/fs"
	"syscall"
)

// fill adds the metadata that is specific to the platform.
func (s *stamp) fill(fi fs.FileInfo) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.changed, s.device, s.inode = st.Ctimespec.Nano(), uint64(st.Dev), uint64(st.Ino)
	}
}

// isUnlinked reports whether a file or directory has no name any more.
func isUnlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

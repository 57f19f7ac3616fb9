package filecache

import (
	"io/fs"
	"syscall"
)

// fill adds the metadata that is specific to the platform.
func (s *stamp) fill(fi fs.FileInfo) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.changed, s.inode = st.Ctim.Nano(), st.Ino
		s.device = uint64(st.Dev) //nolint:unconvert // 32 bits on some architectures
	}
}

// isUnlinked reports whether a file or directory has no name any more.
func isUnlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

package filecache

import (
	"io/fs"
	"syscall"
)

// fill adds what only the system tells.
func (s *stamp) fill(fi fs.FileInfo) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.changed, s.inode = st.Ctim.Nano(), st.Ino
		s.device = uint64(st.Dev) //nolint:unconvert // of 32 bits on some processors
	}
}

// isUnlinked reports whether no name leads to the file or directory any more.
func isUnlinked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

//go:build unix

package ownfiles

import (
	"io/fs"
	"syscall"
)

// follows says that a file can be held open without anybody noticing.
const follows = true

// identity is what tells a file from all others that exist.
type identity struct{ device, inode uint64 }

func identify(fi fs.FileInfo) identity {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert // their types differ from system to system
}

// links returns how many names a file has.
func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // see above
	}
	return 0
}

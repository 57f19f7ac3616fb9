//go:build unix

package ownfiles

import (
	"io/fs"
	"syscall"
)

// canHold reports whether a file can be held open without affecting other programs.
const canHold = true

// identity identifies an existing file.
type identity struct{ device, inode uint64 }

func identify(fi fs.FileInfo) identity {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert // the types differ between platforms
}

// links returns the number of names of a file.
func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // see above
	}
	return 0
}

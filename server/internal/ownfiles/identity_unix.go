//go:build unix

package ownfiles

import (
	"io/fs"
	"syscall"
)

// canHold says whether an open file can be renamed and deleted.
const canHold = true

// identity is unique among the files that exist at one time.
type identity struct{ device, inode uint64 }

func identify(fi fs.FileInfo) identity {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert // the types depend on the platform
}

// links returns the number of names of fi's file.
func links(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // see above
	}
	return 0
}

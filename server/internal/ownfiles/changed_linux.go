package ownfiles

import (
	"io/fs"
	"syscall"
	"time"
)

// changed returns when fi's file was last written, renamed or linked.
func changed(fi fs.FileInfo) time.Time {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix())
	}
	return fi.ModTime()
}

//go:build !linux

package ownfiles

import (
	"os"
	"syscall"
)

// holdFlags open a file only to keep its inode from being reused. Closing it releases
// the record locks that this process has on the file, which happens only after the file
// was removed. O_NONBLOCK: it may be a FIFO by now.
const holdFlags = os.O_RDONLY | syscall.O_NONBLOCK

//go:build !linux

package ownfiles

import (
	"os"
	"syscall"
)

// holdFlags open a file only to keep its inode from being reused. Closing the descriptor
// releases this process's record locks on the file; it is closed only after the file was
// deleted. O_NONBLOCK prevents a wait if a FIFO has replaced the file.
const holdFlags = os.O_RDONLY | syscall.O_NONBLOCK

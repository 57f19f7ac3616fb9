//go:build unix && !linux

package legacytcp

import (
	"errors"
	"syscall"
)

// look peeks at the input. EOF and a reset behind unread input stay unseen.
func look(fd int) presence {
	var b [1]byte
	switch n, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK); {
	case n > 0 || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return present
	case err == nil:
		return halfClosed
	}
	return gone
}

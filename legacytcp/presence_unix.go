//go:build unix && !linux

package legacytcp

import (
	"errors"
	"net"
	"syscall"
)

// presenceOf looks whether the client of nc is still there. EOF and a reset behind
// input that nobody has read are not seen. It consumes nothing. Any goroutine may
// call it.
func presenceOf(nc net.Conn) presence {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return present
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return gone
	}
	seen := present
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		switch n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK); {
		case n > 0 || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		case err == nil:
			seen = halfClosed
		default:
			seen = gone
		}
	})
	if err != nil {
		return gone // it is closed
	}
	return seen
}

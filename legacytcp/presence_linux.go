package legacytcp

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// presenceOf looks whether the client of nc is still there. It sees EOF and a reset
// also behind input that nobody has read, and consumes nothing. Any goroutine may
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
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		switch n, err := unix.Poll(look, 0); {
		case err != nil || n == 0:
		case look[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			seen = gone // POLLHUP: closed both ways, and not by us
		default:
			seen = halfClosed
		}
	})
	if err != nil {
		return gone // it is closed
	}
	return seen
}

package legacytcp

import "golang.org/x/sys/unix"

// look asks the kernel. It sees EOF and a reset even behind unread input.
func look(fd int) presence {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	switch n, err := unix.Poll(fds, 0); {
	case err != nil || n == 0:
		return present
	case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
		return gone // POLLHUP: closed in both directions, and not by this side
	}
	return halfClosed
}

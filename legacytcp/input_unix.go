//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// hasInput reports whether nc has unread input, and may consume it. It does not block: it
// is one system call on a connection that is about to be closed.
func hasInput(nc net.Conn) bool {
	var b [64]byte
	n := 0
	// Not nc.Read, which fails after a deadline.
	err := control(nc, func(fd uintptr) { n, _ = syscall.Read(int(fd), b[:]) })
	return err == nil && n > 0
}

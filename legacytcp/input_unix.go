//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// hasInput reports whether nc has unread input, and may consume it. It does not block: it
// is one system call on a connection that is about to be closed.
func hasInput(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var b [64]byte
	n := 0
	// Control, because Read fails after a deadline.
	err = raw.Control(func(fd uintptr) { n, _ = syscall.Read(int(fd), b[:]) })
	return err == nil && n > 0
}

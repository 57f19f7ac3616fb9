//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// hasInput reports whether something has arrived on nc that nobody has read, and
// may read it. It never waits: one system call on a connection about to close.
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
	// Control, for Read would be refused after a deadline.
	err = raw.Control(func(fd uintptr) { n, _ = syscall.Read(int(fd), b[:]) })
	return err == nil && n > 0
}

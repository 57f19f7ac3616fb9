//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// presenceOf looks whether the client of nc is still there. It consumes no input. Any
// goroutine may call it.
func presenceOf(nc net.Conn) presence {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return present
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return gone
	}
	var seen presence
	if err := raw.Control(func(fd uintptr) { seen = look(int(fd)) }); err != nil {
		return gone // it is closed
	}
	return seen
}

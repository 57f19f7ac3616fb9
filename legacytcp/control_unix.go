//go:build unix

package legacytcp

import (
	"errors"
	"net"
	"syscall"
)

var errNoDescriptor = errors.New("the connection has no descriptor")

// control calls f with the descriptor of nc. It does so even after a deadline of nc,
// when Read and Write fail.
func control(nc net.Conn, f func(fd int)) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return errNoDescriptor
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

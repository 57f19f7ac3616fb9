//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// control calls f with the descriptor of nc. If nc has none, it returns nil without a call;
// if nc is closed, it returns an error.
func control(nc net.Conn, f func(fd uintptr)) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}

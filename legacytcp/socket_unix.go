//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// control calls f with the descriptor of nc. It does not call f if nc has none, or if nc
// is closed, which is an error.
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

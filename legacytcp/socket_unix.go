//go:build unix

package legacytcp

import (
	"net"
	"syscall"
)

// control calls f with the descriptor of nc. It is not ok if nc has none. err is not nil
// if nc is closed; then f is not called.
func control(nc net.Conn, f func(fd uintptr)) (ok bool, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true, err
	}
	return true, raw.Control(f)
}

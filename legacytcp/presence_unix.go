//go:build unix

package legacytcp

import "net"

// presenceOf looks whether the client of nc is still there. It consumes no input. Any
// goroutine may call it.
func presenceOf(nc net.Conn) (seen presence) {
	if err := control(nc, func(fd uintptr) { seen = look(int(fd)) }); err != nil {
		return gone // nc is closed
	}
	return seen // present, if nc has no descriptor
}

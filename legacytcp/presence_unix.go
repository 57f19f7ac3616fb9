//go:build unix

package legacytcp

import (
	"errors"
	"net"
)

// presenceOf looks whether the client of nc is still there. It consumes no input. Any
// goroutine may call it.
func presenceOf(nc net.Conn) presence {
	var seen presence
	switch err := control(nc, func(fd int) { seen = look(fd) }); {
	case errors.Is(err, errNoDescriptor):
		return present
	case err != nil:
		return gone // nc is closed
	}
	return seen
}

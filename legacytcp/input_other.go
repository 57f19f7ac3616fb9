//go:build !unix

package legacytcp

import "net"

// hasInput reports whether something may have arrived on nc that nobody has read.
func hasInput(net.Conn) bool { return true }

//go:build !unix

package legacytcp

import "net"

// hasInput reports whether nc may have unread input.
func hasInput(net.Conn) bool { return true }

package netguard

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// transient are the errors of AcceptEx after which a later call may succeed. Winsock has
// numbers of its own: those of package syscall are never returned here.
var transient = []syscall.Errno{
	windows.WSAECONNABORTED, windows.WSAECONNRESET, windows.WSAEMFILE, windows.WSAENOBUFS, windows.ERROR_NOT_ENOUGH_MEMORY,
}

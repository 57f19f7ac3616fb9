//go:build !windows

package legacytcp

import "syscall"

// transient are the errors of accept(2) after which a later call may succeed.
var transient = []syscall.Errno{
	syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
}

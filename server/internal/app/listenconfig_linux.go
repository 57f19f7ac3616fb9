package app

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// keepAlive is after how long a silent connection is asked whether it is alive, and
// how long each answer may take; keepAliveProbes is how many may be missing. These
// are Go's own.
const (
	keepAlive       = 15 * time.Second
	keepAliveProbes = 9
)

// listenConfig sets TCP keepalive on the listener, from which Linux gives it to the
// connections that are accepted. Go would set it on each, by four system calls: a
// legacy client has a connection for every file.
var listenConfig = net.ListenConfig{
	KeepAlive: -1,
	Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		controlErr := raw.Control(func(fd uintptr) {
			seconds := int(keepAlive / time.Second)
			err = errors.Join(
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, seconds),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, seconds),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepAliveProbes),
			)
		})
		return errors.Join(controlErr, os.NewSyscallError("setsockopt", err))
	},
}

package app

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// keepAlive is the idle time before the first TCP keepalive probe and the interval
// between probes; keepAliveProbes is how many may stay unanswered. These are Go's
// defaults.
const (
	keepAlive       = 15 * time.Second
	keepAliveProbes = 9
)

// listenConfig sets TCP keepalive on the listener: on Linux, accepted connections
// inherit it. Go would set it on each connection with four system calls, and a legacy
// client opens a connection for every file.
var listenConfig = net.ListenConfig{
	KeepAlive: -1,
	Control:   func(_, _ string, raw syscall.RawConn) error { return setKeepAlive(raw) },
}

// keepAliveOn sets TCP keepalive on a listener that listenConfig has not made.
func keepAliveOn(l net.Listener) error {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return setKeepAlive(raw)
}

func setKeepAlive(raw syscall.RawConn) error {
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
}

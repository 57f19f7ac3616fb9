// Package tlsconn serves a protocol that was made for plain TCP over TLS. Its connections
// close and abort as TCP connections do, which such a protocol relies on: EOF ends an
// answer, and a reset says that an answer is incomplete.
package tlsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener accepts connections over TLS. The handshake is part of a connection's first
// read, within its deadline, so that a silent client holds up nobody else.
type Listener struct {
	net.Listener
	config *tls.Config
}

// NewListener returns a Listener over l. Writes to the connections of l must return in
// bounded time also if the peer does not read, as those of netguard's do: a write over TLS
// cannot go on after a deadline, so there are none.
func NewListener(l net.Listener, config *tls.Config) *Listener { return &Listener{l, config} }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: tls.Server(nc, l.config)}, nil
}

// conn has the methods of a TCP connection that legacytcp uses: CloseWrite, SetLinger and
// SyscallConn.
type conn struct {
	*tls.Conn
	aborts atomic.Bool
}

var _ syscall.Conn = (*conn)(nil)

// SetDeadline implements net.Conn. It sets only the deadline of reads.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn. It does nothing: see NewListener.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetLinger makes Close abort the connection if sec is 0, as net.TCPConn's does.
func (c *conn) SetLinger(sec int) error {
	c.aborts.Store(sec == 0)
	if nc, ok := c.NetConn().(interface{ SetLinger(sec int) error }); ok {
		return nc.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// Close implements net.Conn. A connection that is aborted must not end in TLS's own
// farewell, by which half an answer would look whole.
func (c *conn) Close() error {
	if c.aborts.Load() {
		return c.NetConn().Close()
	}
	return c.Conn.Close()
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if nc, ok := c.NetConn().(syscall.Conn); ok {
		return nc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

package legacytcp

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/parity/internal/await"
)

// spyListener records what the gateway reads and writes. A test can send the next bytes
// after the gateway has read the last ones, and can tell the gateway's writes apart.
type spyListener struct {
	net.Listener

	mu         sync.Mutex
	sendBuffer int // of new connections, in bytes; 0: the system's default
	conns      []*spyConn
}

func (l *spyListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := &spyConn{TCPConn: nc.(*net.TCPConn), change: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sendBuffer > 0 {
		s.SetWriteBuffer(l.sendBuffer)
	}
	l.conns = append(l.conns, s)
	return s, nil
}

func (l *spyListener) setSendBuffer(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendBuffer = bytes
}

// of returns the gateway's side of p, or nil if the gateway has not accepted it.
func (l *spyListener) of(p *peer) *spyConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		if c.RemoteAddr().String() == p.LocalAddr().String() {
			return c
		}
	}
	return nil
}

// spyOf waits until the gateway has accepted p and returns the gateway's side of it.
func (d *door) spyOf(tb testing.TB, p *peer) (c *spyConn) {
	tb.Helper()
	await.That(tb, "the gateway has accepted the connection", func() bool {
		c = d.spy.of(p)
		return c != nil
	})
	return c
}

type spyConn struct {
	*net.TCPConn
	change chan struct{} // receives a value after a change

	mu     sync.Mutex
	read   int
	writes []string
	closed bool
}

func (c *spyConn) note(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	select {
	case c.change <- struct{}{}:
	default:
	}
}

func (c *spyConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.note(func() { c.read += n })
	return n, err
}

func (c *spyConn) Write(p []byte) (int, error) {
	c.note(func() { c.writes = append(c.writes, string(p)) })
	return c.TCPConn.Write(p)
}

func (c *spyConn) Close() error {
	defer c.note(func() { c.closed = true })
	return c.TCPConn.Close()
}

// awaitRead waits until the gateway has read n bytes or has closed the connection.
func (c *spyConn) awaitRead(n int) error {
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		done := c.read >= n || c.closed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-c.change:
		case <-timeout:
			return fmt.Errorf("the gateway has not read %d bytes", n)
		}
	}
}

func (c *spyConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *spyConn) written() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

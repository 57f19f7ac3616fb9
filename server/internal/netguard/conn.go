package netguard

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// progressChecks is how often a writer checks for progress in one WriteTimeout. A
	// stalled connection is therefore closed at most a quarter of WriteTimeout late.
	progressChecks = 4
	// deadlineSlack is the fraction of an interval, 1/256, by which its deadline may be
	// early. Setting a deadline costs as much as a system call, so one that is no
	// earlier is kept.
	deadlineSlack = 256
)

// conn is an admitted connection. A write may take any time as long as it makes progress
// in every WriteTimeout. Progress is a byte that the kernel accepts, whether or not the
// peer reads it.
type conn struct {
	net.Conn
	l     *Listener
	place *place
	heard atomic.Bool

	mu       sync.Mutex // guards the write deadlines, in Unix nanoseconds
	user     int64      // set through SetWriteDeadline; 0: none
	inEffect int64      // set on Conn

	closing sync.Once
	err     error
}

// Write implements net.Conn. If it stalls, the connection is closed and unsent bytes are
// discarded.
func (c *conn) Write(p []byte) (written int, err error) {
	timeout := c.l.o.WriteTimeout
	if timeout == 0 {
		return c.Conn.Write(p)
	}
	for idle := 0; ; {
		c.extend(timeout / progressChecks)
		n, err := c.Conn.Write(p[written:])
		written += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.isExpired() {
			return written, err
		}
		if n > 0 {
			idle = 0
		} else if idle++; idle == progressChecks {
			c.l.o.Count(ReasonStalled)
			c.abort()
			return written, err
		}
	}
}

// extend moves the write deadline to d from now, but not beyond the user's.
func (c *conn) extend(d time.Duration) {
	by := time.Now().Add(d).UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user != 0 {
		by = min(by, c.user)
	}
	if c.inEffect > by || time.Duration(by-c.inEffect) > d/deadlineSlack {
		c.inEffect = by
		c.Conn.SetWriteDeadline(time.Unix(0, by))
	}
}

// isExpired reports whether the user's deadline has passed.
func (c *conn) isExpired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user != 0 && c.user <= time.Now().UnixNano()
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn. After a deadline is cleared, a write in progress
// may still time out by it; the write then continues with a new deadline.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.l.o.WriteTimeout == 0 {
		return c.Conn.SetWriteDeadline(t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() {
		c.user = 0
		return nil
	}
	c.user = t.UnixNano()
	c.inEffect = c.user
	return c.Conn.SetWriteDeadline(t)
}

// abort resets the connection, so that the kernel discards the bytes that the peer does
// not accept.
func (c *conn) abort() {
	_ = c.SetLinger(0) // fails only if the connection is already gone
	_ = c.Close()      // Write returns its own error
}

// SetLinger is the method of net.TCPConn.
func (c *conn) SetLinger(sec int) error {
	if nc, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return nc.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// SyscallConn implements syscall.Conn.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if nc, ok := c.Conn.(syscall.Conn); ok {
		return nc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Heard says that the peer has used the protocol: the connection keeps its place.
func (c *conn) Heard() {
	if c.l.o.Limits.Displace && !c.heard.Swap(true) {
		c.l.limiter.heard(c.place)
	}
}

// Close closes the connection and makes room for another. Later calls return the first
// call's error.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.err = c.Conn.Close()
		c.l.limiter.release(c.place)
	})
	return c.err
}

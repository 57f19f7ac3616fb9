package netguard

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// writeChecks is how often progress is checked in a WriteTimeout. A stalled connection
	// is closed at most a quarter of WriteTimeout too late.
	writeChecks = 4
	// deadlineSlack is the fraction of a deadline by which it may be early. Setting a
	// deadline costs as much as a system call, so one that is nearly right is kept.
	deadlineSlack = 256
)

// conn is an accepted connection. A write may take as long as it makes progress in every
// WriteTimeout. Progress means that the kernel accepts bytes, whether the peer reads them or
// not.
type conn struct {
	net.Conn
	l    *Listener
	from netip.Addr

	mu       sync.Mutex // guards the write deadlines, in Unix nanoseconds
	user     int64      // set by the user of the connection; 0: none
	inEffect int64      // set on Conn

	closing sync.Once
	err     error
}

// Write implements net.Conn. It closes a connection that stalls, and discards its unsent
// bytes.
func (c *conn) Write(p []byte) (written int, err error) {
	timeout := c.l.o.WriteTimeout
	if timeout == 0 {
		return c.Conn.Write(p)
	}
	for idle := 0; ; {
		c.extend(timeout / writeChecks)
		n, err := c.Conn.Write(p[written:])
		written += n
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.isOver() {
			return written, err
		}
		if n > 0 {
			idle = 0
		} else if idle++; idle == writeChecks {
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

// isOver reports whether the user's deadline has passed.
func (c *conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user != 0 && c.user <= time.Now().UnixNano()
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn. A deadline that is removed stays in effect for a
// write in progress, which then tries again.
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

// abort closes the connection with a reset, so that the kernel discards what the peer does
// not read.
func (c *conn) abort() {
	if nc, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		_ = nc.SetLinger(0) // fails only if the connection is closed already
	}
	_ = c.Close()
}

// Close implements net.Conn. The connection no longer counts.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.err = c.Conn.Close()
		c.l.limiter.release(c.from)
	})
	return c.err
}

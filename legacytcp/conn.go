package legacytcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/metadata"
)

const (
	// glance is the timeout of one more read after a timeout. Input that arrived while the
	// goroutine waited for a processor was in time: a busy machine must not cut a client
	// ID in two.
	glance = time.Millisecond

	// lingerTime and lingerBytes bound how much is read and discarded from a client that
	// is still sending after its answer.
	lingerTime  = time.Second
	lingerBytes = 1 << 20

	// deadlineSlack is the fraction of a timeout by which it may be early: 1.2 s of 5 min.
	// Setting a deadline costs as much as a system call, so one that is nearly right is
	// kept.
	deadlineSlack = 256

	// writeLooks is how often in a WriteTimeout a writer checks for progress: a client is
	// closed at most a quarter of the timeout late.
	writeLooks = 4
)

// conn is the TCP connection of a legacy client, of either dialect: it reads and writes
// with deadlines, finds the dialect, and closes. Only its own goroutine uses it, except
// for cancel, reset, wake, watch, and the fields of the gateway.
type conn struct {
	g      *Gateway
	nc     net.Conn
	speaks Dialects
	addr   netip.AddrPort
	peer   string
	ctx    context.Context // of all calls made for the client; ends with the connection
	cancel context.CancelFunc

	readBy, writeBy time.Time // the deadlines in force
	in              input
	spoke           bool // whether the client has sent a byte

	watch watch // of the call in progress

	// These belong to the gateway's admission.
	of        *address // where the connection is counted; nil: not
	displaced bool     // whether another connection replaced it
	queued    [queues]queueLink
}

func newConn(g *Gateway, nc net.Conn, d Dialects) *conn {
	c := &conn{g: g, nc: nc, speaks: d, addr: addrPort(nc.RemoteAddr())}
	c.peer = c.addr.String()
	c.ctx, c.cancel = context.WithCancel(metadata.AppendToOutgoingContext(context.Background(),
		MetadataDoor, DoorName, MetadataPeer, c.peer))
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, _ := netip.ParseAddrPort(a.String()) // the zero AddrPort if it is none
	return p
}

func (c *conn) run() {
	defer c.g.release(c)
	e := c.serve()
	c.cancel()
	if c.g.cut.Load() {
		e = ending{reason: ReasonShutdown, how: reset, err: e.err}
	}
	switch e.how {
	case reset:
		c.reset()
		c.report(e)
	case linger:
		c.close(true)
		c.report(e)
	default:
		// Before the close: the client may request the next file as soon as it sees EOF,
		// before this goroutine continues.
		c.report(e)
		c.close(false)
	}
}

// report logs and counts the end of the connection.
func (c *conn) report(e ending) {
	defer c.g.cfg.Metrics.Closed(e.reason)
	if c.byStranger(e.reason) && !c.g.tally.ownLine(e.reason) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 3), slog.String("peer", c.peer), slog.String("reason", string(e.reason)))
	if e.err != nil {
		attrs = append(attrs, slog.Any("error", e.err))
	}
	c.g.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "legacy connection closed", attrs...)
}

// byStranger reports whether anybody can cause this ending without a call of a
// service.
func (c *conn) byStranger(why Reason) bool {
	return !c.spoke || why == ReasonBadFrames || why == ReasonFrameTooLong || why == ReasonBadID
}

// serve reads the first bytes and serves their dialect.
func (c *conn) serve() (e ending) {
	defer func() {
		if r := recover(); r != nil {
			c.g.cfg.Logger.Error("legacy connection panicked", "peer", c.peer, "panic", r, "stack", string(debug.Stack()))
			e = ending{reason: ReasonPanic, how: reset}
		}
	}()
	err := c.fill(c.g.limits.FirstByteTimeout)
	if !c.g.heard(c) {
		return ending{reason: ReasonPressure}
	}
	if err != nil {
		return c.readEnding(err, ReasonFirstByteTimeout)
	}
	c.spoke = true
	if c.speaks == FilesOnly {
		return c.serveFile()
	}
	for {
		switch sniff(c.in.unread()) {
		case numberDialect:
			return c.serveNumbers()
		case fileDialect:
			return c.serveFile()
		}
		// Only digits so far.
		if err := c.fill(c.g.limits.Quiet); isTimeout(err) || errors.Is(err, io.EOF) {
			return c.serveNumbers()
		} else if err != nil {
			return c.readEnding(err, ReasonClient)
		}
	}
}

// readEnding returns the ending for an error of a read.
func (c *conn) readEnding(err error, onTimeout Reason) ending {
	switch {
	case !isTimeout(err):
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return ending{reason: ReasonClient, err: err}
	case c.g.isDraining():
		return ending{reason: ReasonShutdown}
	}
	return ending{reason: onTimeout}
}

// fill reads once, within d. Its error is a timeout (isTimeout), io.EOF, or that of a
// broken connection. A shutdown shortens d to the quiet.
func (c *conn) fill(d time.Duration) error {
	err := c.read(d)
	if !isTimeout(err) {
		return err
	}
	c.readBy = time.Time{} // it has expired, or wake has replaced it
	if c.g.isDraining() {
		return c.read(d)
	}
	return c.read(min(d, glance))
}

func (c *conn) read(d time.Duration) error {
	draining := c.g.isDraining()
	if draining {
		d = min(d, c.g.limits.Quiet)
	}
	if by := time.Now().Add(d); c.readBy.After(by) || by.Sub(c.readBy) > d/deadlineSlack {
		c.readBy = by
		c.nc.SetReadDeadline(by)
		if !draining && c.g.isDraining() {
			c.wake() // the new deadline may have replaced Shutdown's
		}
	}
	n, err := c.nc.Read(c.in.space())
	c.in.added(n)
	if n > 0 {
		return nil // a net.Conn repeats its error
	}
	return err
}

// wake interrupts a read, from any goroutine.
func (c *conn) wake() { c.nc.SetReadDeadline(time.Unix(1, 0)) }

// write writes p as long as there is progress within every WriteTimeout. Bytes that the
// kernel accepts are progress, whether the client reads them or not.
func (c *conn) write(p []byte) error {
	for idle := 0; len(p) > 0; {
		d := c.g.limits.WriteTimeout / writeLooks
		if by := time.Now().Add(d); by.Sub(c.writeBy) > d/deadlineSlack {
			c.writeBy = by
			c.nc.SetWriteDeadline(by)
		}
		n, err := c.nc.Write(p)
		if !isTimeout(err) {
			return err
		}
		if p = p[n:]; n > 0 {
			idle = 0
		} else if idle++; idle == writeLooks {
			return err
		}
	}
	return nil
}

// writeEnding returns the ending for an error of a write. The client never gets a clean
// EOF after an incomplete answer.
func writeEnding(err error) ending {
	if isTimeout(err) {
		return ending{reason: ReasonWriteTimeout, how: reset}
	}
	return ending{reason: ReasonClient, how: reset, err: err}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// reset closes the connection so that the client's next read fails. Any
// goroutine may call it.
func (c *conn) reset() {
	if nc, ok := c.nc.(interface{ SetLinger(sec int) error }); ok {
		_ = nc.SetLinger(0) // it fails only if there is no connection any more
	}
	c.nc.Close()
}

// close sends EOF and closes. The kernel answers unread input with a reset, which can
// destroy a reply in transit. So EOF is sent first, which a later reset does not undo;
// and if there is input, or hearOut says that there will be, it is read until the client
// closes too. It would be cheaper to check for input first and let Close send EOF, but a
// terminator that arrives between the two turns EOF into a reset.
func (c *conn) close(hearOut bool) {
	defer c.nc.Close()
	nc, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || nc.CloseWrite() != nil || !hearOut && !hasInput(c.nc) {
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(c.in.data[:])
		if err != nil {
			return
		}
		total += n
	}
}

package legacytcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// door is a gateway under test, on one port.
type door struct {
	*Gateway
	Addr    string
	Numbers *stubNumbers
	Files   *stubFiles
	Counts  *counts
	Log     *logBuffer
	spy     *spyListener
}

// newDoor serves stubs, or what cfg has in their place, on a loopback port until
// the test ends.
func newDoor(tb testing.TB, d Dialects, cfg Config) *door {
	tb.Helper()
	t := &door{Numbers: newStubNumbers(), Files: newStubFiles(), Counts: newCounts(), Log: &logBuffer{}}
	numbers, files := inProcess(tb, t.Numbers, t.Files)
	if cfg.Numbers == nil {
		cfg.Numbers = numbers
	}
	if cfg.Files == nil {
		cfg.Files = files
	}
	cfg.Metrics = t.Counts
	cfg.Logger = slog.New(slog.NewTextHandler(t.Log, nil))
	t.Gateway = New(cfg)
	tb.Cleanup(func() { t.checkLog(tb) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	t.Addr = l.Addr().String()
	t.spy = &spyListener{Listener: l}
	t.serve(tb, t.spy, d)
	return t
}

// checkLog checks that each connection that was counted as closed is in the log, with
// its reason.
func (d *door) checkLog(tb testing.TB) {
	d.Counts.mu.Lock()
	defer d.Counts.mu.Unlock()
	for reason, n := range d.Counts.closed {
		logged := 0
		for l := range strings.Lines(d.Log.String()) {
			if strings.Contains(l, `msg="legacy connection closed"`) && strings.Contains(l, " reason="+string(reason)) {
				logged++
			}
			more := 0
			if _, err := fmt.Sscanf(l[strings.Index(l, " reason=")+1:], "reason="+string(reason)+" connections=%d", &more); err == nil {
				logged += more
			}
		}
		if logged != n {
			tb.Errorf("%d connections were closed as %q, and %d are in the log", n, reason, logged)
		}
	}
}

// serve serves l until the test ends.
func (d *door) serve(tb testing.TB, l net.Listener, dialects Dialects) {
	served := make(chan error, 1)
	go func() { served <- d.Serve(l, dialects) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // whoever wants more patience shuts down himself
		d.Shutdown(ctx)
		if err := <-served; err != nil {
			tb.Errorf("Serve = %v", err)
		}
	})
}

func (d *door) dial(tb testing.TB) *peer {
	tb.Helper()
	nc, err := net.Dial("tcp", d.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	return &peer{TCPConn: nc.(*net.TCPConn)}
}

// peer is a client that is checked byte by byte.
type peer struct{ *net.TCPConn }

// tcpPair returns both ends of a connection.
func tcpPair(tb testing.TB) (client *peer, server net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		nc.Close()
		server.Close()
	})
	return &peer{TCPConn: nc.(*net.TCPConn)}, server
}

func (p *peer) send(tb testing.TB, s string) {
	tb.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		tb.Fatalf("sending %.80q: %v", s, err)
	}
}

// receive checks that want comes next.
func (p *peer) receive(tb testing.TB, want string) {
	tb.Helper()
	if err := p.expect(want); err != nil {
		tb.Fatal(err)
	}
}

func (p *peer) expect(want string) error {
	p.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if string(got[:n]) != want {
		return fmt.Errorf("got %.200q and %v, want %.200q", got[:n], err, want)
	}
	return nil
}

// receiveEnd checks that nothing comes but a clean end, or a reset.
func (p *peer) receiveEnd(tb testing.TB, reset bool) {
	tb.Helper()
	if err := p.expectEnd(reset); err != nil {
		tb.Fatal(err)
	}
}

func (p *peer) expectEnd(reset bool) error {
	p.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(p)
	wasReset := isReset(err)
	if len(rest) > 0 || wasReset != reset || err != nil && !wasReset {
		return fmt.Errorf("got %.200q and %v, want the end (reset: %v)", rest, err, reset)
	}
	return nil
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// counts is a Metrics that tests can wait on.
type counts struct {
	mu             sync.Mutex
	changed        chan struct{}
	opened, frames int
	merged         int
	closed         map[Reason]int
}

func newCounts() *counts {
	return &counts{changed: make(chan struct{}), closed: make(map[Reason]int)}
}

func (c *counts) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *counts) Opened()         { c.change(func() { c.opened++ }) }
func (c *counts) Closed(r Reason) { c.change(func() { c.closed[r]++ }) }
func (c *counts) BadFrame()       { c.change(func() { c.frames++ }) }
func (c *counts) Merged(n int)    { c.change(func() { c.merged += n }) }

// await waits until n connections were closed for that reason.
func (c *counts) await(tb testing.TB, r Reason, n int) {
	tb.Helper()
	c.until(tb, func() error {
		if c.closed[r] != n {
			return fmt.Errorf("closed by reason: %v, want %d of %q", c.closed, n, r)
		}
		return nil
	})
}

func (c *counts) until(tb testing.TB, check func() error) {
	tb.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		err, changed := check(), c.changed
		c.mu.Unlock()
		if err == nil {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			tb.Fatal(err)
		}
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// spyListener keeps what the gateway reads from and writes to its connections,
// so that a test can send the next bytes when the last ones have been read, and
// knows what was one write.
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

// of returns the gateway's side of p.
func (l *spyListener) of(p *peer) (*spyConn, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		l.mu.Lock()
		for _, c := range l.conns {
			if c.RemoteAddr().String() == p.LocalAddr().String() {
				l.mu.Unlock()
				return c, nil
			}
		}
		l.mu.Unlock()
	}
	return nil, errors.New("the connection was never accepted")
}

type spyConn struct {
	*net.TCPConn
	change chan struct{} // has a value if something changed

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

// awaitRead waits until the gateway has read n bytes, or will read no more.
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

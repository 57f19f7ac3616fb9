package legacytcp

import (
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

	"example.com/parity/internal/syncbuf"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// door is a gateway under test, on one port.
type door struct {
	*Gateway
	Addr    string
	Numbers *stubNumbers
	Files   *stubFiles
	Counts  *counts
	Log     *syncbuf.Buffer
	spy     *spyListener
}

// newDoor serves the stub services, or the services in cfg, on a loopback port until the
// test ends.
func newDoor(tb testing.TB, d Dialects, cfg Config) *door {
	tb.Helper()
	t := &door{Numbers: newStubNumbers(), Files: newStubFiles(), Counts: newCounts(), Log: &syncbuf.Buffer{}}
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

// checkLog checks that the log has every close that was counted, with its reason.
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
			tb.Errorf("%d closes for %q are in the log, want %d", logged, reason, n)
		}
	}
}

// serve serves l until the test ends.
func (d *door) serve(tb testing.TB, l net.Listener, dialects Dialects) {
	served := make(chan error, 1)
	go func() { served <- d.Serve(l, dialects) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // a test of a slower shutdown calls Shutdown itself
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

// peer is a client whose tests compare every byte it receives.
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

// receive checks that the next bytes are want.
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

// receiveEnd checks that nothing follows but EOF, or a reset.
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
		return fmt.Errorf("got %.200q and %v, want nothing more and a close (reset: %v)", rest, err, reset)
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

// await waits until n connections have been closed for r.
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

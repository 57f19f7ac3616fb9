package legacytcp

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestFillReadsOnceMore has bytes that arrived in time, while the reader waited for a
// processor until after its deadline.
func TestFillReadsOnceMore(t *testing.T) {
	nc := &lateConn{memoryConn: memoryConn{in: "48 ", segment: 10}, timeouts: 1}
	c := newConn(New(Config{}), nc, Both)
	defer c.cancel()
	if err := c.fill(time.Second); err != nil || string(c.in.take()) != "48 " {
		t.Errorf("fill after one timeout = %v", err)
	}
	nc.timeouts = 2
	if err := c.fill(time.Second); !isTimeout(err) {
		t.Errorf("fill after two timeouts = %v, want a timeout", err)
	}
}

// lateConn fails with a timeout several times before it reads.
type lateConn struct {
	memoryConn
	timeouts int
}

func (c *lateConn) Read(p []byte) (int, error) {
	if c.timeouts > 0 {
		c.timeouts--
		return 0, os.ErrDeadlineExceeded
	}
	return c.memoryConn.Read(p)
}

// TestReportsBehindAFailedReply has a client that disconnects before its reply is written.
// Reports that the gateway has not read yet must still count.
func TestReportsBehindAFailedReply(t *testing.T) {
	numbers := newStubNumbers()
	m := newCounts()
	cfg := Config{Metrics: m}
	cfg.Numbers, cfg.Files = inProcess(t, numbers, newStubFiles())
	g := New(cfg)
	g.accept(&goneConn{memoryConn{in: "7 odd 1 odd 2 ", segment: 4}}, Both)
	m.await(t, ReasonClient, 1)
	if got := numbers.value(7); got != 2 {
		t.Errorf("value = %d, want 2", got)
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

type goneConn struct{ memoryConn }

func (*goneConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }

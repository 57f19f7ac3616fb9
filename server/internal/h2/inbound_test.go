package h2

import (
	"io"
	"net"
	"testing"
	"time"

	"example.com/parity/server/internal/flow"
)

// fastReader is a connection to a peer that grants what it receives before Write returns.
type fastReader struct {
	net.Conn
	received func(n int)
}

func (r *fastReader) Write(b []byte) (int, error) {
	r.received(len(b))
	return len(b), nil
}

func (r *fastReader) Read([]byte) (int, error) { return 0, io.EOF }
func (r *fastReader) Close() error             { return nil }

// TestGrantDuringWrite has a peer that keeps its windows at the maximum. It grants bytes
// before their Write has returned, which is no overflow.
func TestGrantDuringWrite(t *testing.T) {
	peer := &fastReader{}
	c := newConn(peer, New(Options{Account: flow.NewAccount(0), MaxResets: 10, Timeout: time.Hour}))
	defer c.Close()
	c.in.last = 1
	c.open()
	for _, id := range []uint32{0, 1} {
		if err := c.grant(id, maxWindow-defaultWindow); err != nil {
			t.Fatal(err)
		}
	}
	const size = 16 << 10
	peer.received = func(n int) {
		for _, id := range []uint32{0, 1} {
			if err := c.grant(id, size); err != nil {
				t.Errorf("stream %d: %v", id, err)
			}
		}
	}
	frame := append([]byte{0, size >> 8, 0, frameData, 0, 0, 0, 0, 1}, make([]byte, size)...)
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	if c.window != maxWindow || c.initial+c.streams[1].granted != maxWindow {
		t.Errorf("windows are %d and %d, want %d", c.window, c.initial+c.streams[1].granted, maxWindow)
	}
}

package h2

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2/h2test"
)

// pipe is a connection that reads in pieces and discards what is written.
type pipe struct {
	net.Conn
	in    *bytes.Reader
	piece func() int
}

func (p *pipe) Read(b []byte) (int, error) { return p.in.Read(b[:min(len(b), p.piece())]) }

func (p *pipe) Write(b []byte) (int, error) {
	return len(b), nil
}

func (p *pipe) Close() error { return nil }

// TestSplits reads and writes frames in pieces of all sizes. The result is always the same.
func TestSplits(t *testing.T) {
	var in, out bytes.Buffer
	io.WriteString(&in, http2.ClientPreface)
	fr := http2.NewFramer(&in, nil)
	fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 300), EndHeaders: true})
	fr.WriteWindowUpdate(1, 70)
	fr.WritePing(false, [8]byte{})
	fr.WriteWindowUpdate(0, 500)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: make([]byte, 10), EndHeaders: true})
	fr.WriteData(1, false, make([]byte, 20_000))
	fr.WriteSettingsAck()
	fr.WriteRSTStream(3, http2.ErrCodeCancel)
	fr = http2.NewFramer(&out, nil)
	message := append([]byte{0, 0, 0, 0, 100}, make([]byte, 100)...)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 30), EndHeaders: true})
	fr.WriteData(1, false, message[:3])
	fr.WriteData(1, false, append(message[3:], 1, 0, 0, 0, 0, 0)) // an empty message, and the first byte of a prefix
	fr.WriteData(3, false, make([]byte, 50))

	for size := range 40 {
		piece := func() int { return size }
		if size == 0 {
			piece = func() int { return 1 + rand.IntN(30_000) }
		}
		c := newConn(&pipe{in: bytes.NewReader(in.Bytes()), piece: piece}, New(Options{Account: flow.NewAccount(0), MaxResets: 10, Timeout: time.Hour}))
		var first, third *Stream
		for b := make([]byte, 32<<10); ; {
			n, err := c.Read(b[:1+rand.IntN(len(b))])
			if err != nil {
				break
			}
			// grpc-go calls Tap before it reads on.
			if n > 0 && c.in.last == 1 && first == nil {
				first = c.open()
				first.queue = append(first.queue, queued(105), queued(5), queued(400))
				first.reserved, c.reserved = 510, 510
				c.adjustMemory(first.reserved)
			} else if c.in.last == 3 && third == nil {
				third = c.open()
			}
		}
		for b := out.Bytes(); len(b) > 0; {
			n := min(piece(), len(b))
			c.Write(b[:n])
			b = b[n:]
		}
		own := c.initial + first.granted
		if own != 1000+70-111 || c.window != defaultWindow+500-161 || first.reserved != 399 || c.reserved != 399 || c.held != 399 || len(first.queue) != 1 || !third.ended || first.ended {
			t.Fatalf("pieces of %d: stream's window %d, connection's %d, reserved %d and %d, held %d, %d queued, gone %t and %t",
				size, own, c.window, first.reserved, c.reserved, c.held, len(first.queue), first.ended, third.ended)
		}
		c.Close()
		if c.held != 0 || c.reserved != 0 {
			t.Fatalf("closed, and %d bytes reserved, %d held", c.reserved, c.held)
		}
	}
}

func queued(n int64) reservation { return reservation{n, n} }

// TestContinuation opens calls whose HEADERS are padded, have a priority and continue in
// CONTINUATION frames, between frames of unknown types. Each call gets its own window.
func TestContinuation(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 1000)
	var ids []uint32
	for range 3 {
		if err := p.Raw(0xfa, 0xff, 0, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		id, err := p.CallInFragments(getMethod, get(5000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Raw(0xfb, 0xff, id, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for i, id := range ids {
		// The grant of one stream must not move another one.
		if err := p.Grant(id, 10_000); err != nil {
			t.Fatal(err)
		}
		if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 5000 {
			t.Errorf("call %d: %+v, %v", id, r, err)
		}
		for _, other := range ids[i+1:] {
			if r := p.Results()[other]; r.Bytes > 1000 {
				t.Errorf("call %d has %d bytes before its grant", other, r.Bytes)
			}
		}
	}
	f.idle(t)
}

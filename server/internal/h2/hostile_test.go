package h2

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2/h2test"
)

// TestManyReaders has readers of all sorts on a few connections: nobody is forgotten.
func TestManyReaders(t *testing.T) {
	f := newFixture(t, patience, &service{listed: 60_000})
	var group sync.WaitGroup
	var finished atomic.Int64
	for range 3 {
		client := f.client(t)
		for i := range 40 {
			group.Go(func() {
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					size := rand.Int64N(500_000)
					stream, err := client.Get(ctx, get(size, int64(i%2)*rand.Int64N(50_000)))
					if err != nil {
						t.Error(err)
					} else if i%5 == 0 { // gives up
						stream.Recv()
						cancel()
					} else if n, err := drain(stream); err != nil || int64(n) != size {
						t.Errorf("%d of %d bytes, %v", n, size, err)
					}
					if _, err := client.List(t.Context(), &filesv1.ListRequest{}); err != nil {
						t.Error(err)
					}
					cancel()
					finished.Add(1)
				}
			})
		}
	}
	group.Wait()
	f.idle(t)
}

// TestMemory has a peer with any window that reads nothing from its socket: it holds
// its share, whatever it asks for.
func TestMemory(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p, err := h2test.Dial(f.address, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Grant(0, 1<<30)
	for range 50 {
		if _, err := p.Call(getMethod, get(1<<30, 0), false); err != nil {
			t.Fatal(err)
		}
	}
	// One connection gets a fifth of the account.
	most := f.account.Limit() / 5
	for end := time.Now().Add(patience); f.account.Held() < most/2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for range 50 {
		if held := f.account.Held(); held > most {
			t.Fatalf("%d bytes held, want %d", held, most)
		}
		time.Sleep(2 * time.Millisecond)
	}
	// Who reads is not held up.
	stream, err := f.client(t).Get(t.Context(), get(10<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := drain(stream); n != 10<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSlowSocket has so many calls on a connection that is read slowly that each of them
// waits longer for its turn than a peer may take nothing. The peer takes what it can.
func TestSlowSocket(t *testing.T) {
	const timeout, calls = 2 * time.Second, 90
	f := newFixtureOf(t, 64<<20, timeout, &service{}, serverOptions{})
	nc, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	p, err := h2test.New(nc, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Grant(0, 1<<30)
	var ids []uint32
	for range calls {
		id, err := p.Call(getMethod, get(1<<30, 0), false)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	// Each call waits for window for its second chunk while its first is in the queue, of
	// which it is the turn of 16 KiB every 3.6 s.
	p.Pace(16<<10, 40*time.Millisecond)
	p.Read()
	time.Sleep(3 * timeout)
	if f.cut(ReasonStalled) > 0 {
		t.Error("the connection was cut")
	}
	got := 0
	for _, id := range ids {
		r := p.Results()[id]
		got += r.Bytes
		if r.Ended && r.Code != 0 {
			t.Errorf("call %d: %+v", id, r)
		}
	}
	t.Logf("%d bytes", got)
}

// TestResets resets calls as fast as it opens them.
func TestResets(t *testing.T) {
	f := newFixture(t, patience, &service{})
	reset := func(p *h2test.Peer, n int) (err error) {
		for range n {
			var id uint32
			if id, err = p.Call(getMethod, get(1<<20, 0), false); err != nil {
				return err
			}
			if err = p.Reset(id); err != nil {
				return err
			}
		}
		return nil
	}
	honest := f.peer(t, 100)
	if err := reset(honest, 100); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the next second
	if err := reset(honest, 100); err != nil {
		t.Fatal(err)
	}
	if err := honest.AwaitEnd(50 * time.Millisecond); err != nil {
		t.Errorf("100 resets in a second: %v", err)
	}
	hostile := f.peer(t, 100)
	if err := reset(hostile, 10_000); err == nil && hostile.AwaitEnd(patience) == nil {
		t.Error("10,000 resets, and still connected")
	}
	if n := f.cut(ReasonResets); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
}

// TestFaults makes the server reset calls as fast as it opens them.
func TestFaults(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	for range 10_000 {
		id, err := p.Call(getMethod, get(1<<20, 0), false)
		if err == nil {
			// After the end of the request: STREAM_CLOSED.
			err = p.Raw(http2.FrameData, 0, id, []byte("more"))
		}
		if err != nil {
			break
		}
	}
	if p.AwaitEnd(patience) == nil || f.cut(ReasonResets) != 1 {
		t.Errorf("10,000 faults: %d connections cut, want 1", f.cut(ReasonResets))
	}
}

// TestWindowOverflow grants more than there can be.
func TestWindowOverflow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	p.Grant(0, maxWindow)
	if p.AwaitEnd(patience) == nil {
		t.Error("a window of more than 2^31-1 was taken")
	}
}

// pipe is a connection that reads in pieces.
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

// TestSplits has frames come and go in pieces of all sizes: the windows are the same.
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
	fr.WriteData(1, false, append(message[3:], 1, 0, 0, 0, 0, 0)) // an empty message, and a prefix's first byte
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
			// grpc-go calls Tap before it reads more.
			if n > 0 && c.in.last == 1 && first == nil {
				first = c.open()
				first.queue = append(first.queue, queued(105), queued(5), queued(400))
				first.reserved, c.reserved = 510, 510
				c.hold(first.reserved)
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
		if own != 1000+70-111 || c.window != defaultWindow+500-161 || first.reserved != 399 || c.reserved != 399 || c.held != 399 || len(first.queue) != 1 || !third.gone || first.gone {
			t.Fatalf("pieces of %d: stream's window %d, connection's %d, reserved %d and %d, held %d, %d queued, gone %t and %t",
				size, own, c.window, first.reserved, c.reserved, c.held, len(first.queue), first.gone, third.gone)
		}
		c.Close()
		if c.held != 0 || c.reserved != 0 {
			t.Fatalf("closed, and %d bytes reserved, %d held", c.reserved, c.held)
		}
	}
}

package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"example.com/parity/server/internal/h2/h2test"
)

// TestResets has a client reset its calls as fast as it opens them.
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
		t.Error("still connected after 10,000 resets")
	}
	if n := f.cut(ReasonResets); n != 1 {
		t.Errorf("%d connections closed, want 1", n)
	}
}

// TestFaults has a client make the server reset its calls, by violations of the protocol.
func TestFaults(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	for range 10_000 {
		id, err := p.Call(getMethod, get(1<<20, 0), false)
		if err == nil {
			// DATA after the end of the request: STREAM_CLOSED.
			err = p.Raw(http2.FrameData, 0, id, []byte("more"))
		}
		if err != nil {
			break
		}
	}
	if p.AwaitEnd(patience) == nil || f.cut(ReasonResets) != 1 {
		t.Errorf("10,000 faults: %d connections closed, want 1", f.cut(ReasonResets))
	}
}

// TestWindowOverflow grants more than the maximum window.
func TestWindowOverflow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	p.Grant(0, maxWindow)
	if p.AwaitEnd(patience) == nil {
		t.Error("a window of more than 2^31-1 was accepted")
	}
}

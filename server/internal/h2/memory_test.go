package h2

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// TestGzip sends messages that compression makes much smaller than their reservations.
func TestGzip(t *testing.T) {
	f := newFixture(t, 2*time.Second, &service{})
	client := f.client(t)
	for _, limit := range []int64{0, 30_000} {
		stream, err := client.Get(t.Context(), get(4<<20, limit), grpc.UseCompressor(gzip.Name))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := drain(stream); n != 4<<20 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	f.idle(t)
}

// TestManyReaders mixes calls of all kinds on a few connections. All of them end.
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
					} else if i%5 == 0 { // cancels
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

// TestMemory has a peer with a large window that does not read from its socket. It holds no
// more than its share of the memory.
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
	// One connection gets at most a fifth of the account.
	most := f.account.Limit() / 5
	for end := time.Now().Add(patience); f.account.Held() < most/2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for range 50 {
		if held := f.account.Held(); held > most {
			t.Fatalf("%d bytes held, want at most %d", held, most)
		}
		time.Sleep(2 * time.Millisecond)
	}
	// Other clients are not delayed.
	stream, err := f.client(t).Get(t.Context(), get(10<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := drain(stream); n != 10<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSlowSocket makes so many calls on a slow connection that each of them waits longer
// than Timeout for its turn. They must not end, because the peer reads all the time.
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
	// Each call waits for window for its second chunk while its first is queued. 16 KiB of
	// that are sent every 3.6 s.
	p.Pace(16<<10, 40*time.Millisecond)
	p.Read()
	time.Sleep(3 * timeout)
	if f.cut(ReasonStalled) > 0 {
		t.Error("the connection was closed")
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

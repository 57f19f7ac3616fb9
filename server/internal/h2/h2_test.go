package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/h2/h2test"
)

const patience = 30 * time.Second

const getMethod, listMethod = filesv1.FileService_Get_FullMethodName, filesv1.FileService_List_FullMethodName

// TestSilentPeer asks for more than the window, and grants nothing: the calls end with
// their status, and the connection goes on.
func TestSilentPeer(t *testing.T) {
	for name, request := range map[string]*filesv1.GetRequest{"chunks": get(1<<20, 0), "messages": get(1<<20, 50)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 300*time.Millisecond, &service{listed: 10})
			p := f.peer(t, 1000)
			var ids []uint32
			for range 20 {
				id, err := p.Call(getMethod, request, false)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			for _, id := range ids {
				r, err := p.Await(id, patience, h2test.Ended)
				if err != nil || r.Reset || codes.Code(r.Code) != codes.ResourceExhausted || r.Bytes > 1000 || r.Fields["grpc-status-details-bin"] == "" {
					t.Fatalf("call %d = %+v, %v; want ResourceExhausted with details, and up to 1000 bytes", id, r, err)
				}
			}
			id, err := p.Call(listMethod, &filesv1.ListRequest{}, false)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes == 0 {
				t.Errorf("another call on the connection = %+v, %v", r, err)
			}
			f.idle(t)
		})
	}
}

// TestNoWindow makes calls whose replies there is no window for at all.
func TestNoWindow(t *testing.T) {
	f := newFixture(t, 200*time.Millisecond, &service{listed: 10})
	p := f.peer(t, 0)
	for _, call := range []struct {
		method  string
		request *filesv1.GetRequest
	}{{getMethod, get(10, 0)}, {getMethod, get(10, 10)}, {listMethod, nil}} {
		id, err := p.Call(call.method, call.request, false)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.Await(id, patience, h2test.Ended); err != nil || codes.Code(r.Code) != codes.ResourceExhausted || r.Bytes != 0 {
			t.Errorf("%s = %+v, %v; want ResourceExhausted and nothing else", call.method, r, err)
		}
	}
	f.idle(t)
}

// TestTinyWindow grants a few bytes at a time: everything comes, for as long as the
// peer goes on.
func TestTinyWindow(t *testing.T) {
	f := newFixture(t, 10*time.Second, &service{})
	for _, limit := range []int64{0, 100} {
		p := f.peer(t, 1)
		id, err := p.Call(getMethod, get(1000, limit), false)
		if err != nil {
			t.Fatal(err)
		}
		for got, granted := 0, 1; ; granted += 7 {
			r, err := p.Await(id, patience, func(r h2test.Result) bool { return r.Bytes >= granted || r.Ended })
			if err != nil || r.Bytes > granted {
				t.Fatalf("with %d bytes granted: %+v, %v", granted, r, err)
			}
			if r.Ended {
				if got = r.Bytes; r.Code != 0 || got < 1000 {
					t.Fatalf("in the end: %+v", r)
				}
				break
			}
			if err := p.Grant(id, 7); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.idle(t)
}

// TestSettingsOpenWindow waits for window that comes with SETTINGS, not WINDOW_UPDATE.
func TestSettingsOpenWindow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 0)
	id, err := p.Call(getMethod, get(5000, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Await(id, 50*time.Millisecond, func(r h2test.Result) bool { return r.Bytes > 0 || r.Ended }); err == nil {
		t.Fatal("bytes without window")
	}
	if err := p.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 60_000}); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 {
		t.Errorf("with window: %+v, %v", r, err)
	}
}

// TestMessageBeyondWindow has a reply that is larger than its window: it is sent as far
// as that goes, and if no more is granted the connection is closed, for gRPC has no
// other way to let go of it.
func TestMessageBeyondWindow(t *testing.T) {
	f := newFixture(t, 200*time.Millisecond, &service{listed: 5000})
	for _, grants := range []bool{true, false} {
		p := f.peer(t, 1000)
		id, err := p.Call(listMethod, &filesv1.ListRequest{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Await(id, patience, func(r h2test.Result) bool { return r.Bytes == 1000 }); err != nil {
			t.Fatal(err)
		}
		if grants {
			p.Grant(id, 10_000)
			if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 5000 {
				t.Errorf("with window: %+v, %v", r, err)
			}
			continue
		}
		if err := p.AwaitEnd(patience); err == nil || f.cut(ReasonStalled) != 1 {
			t.Errorf("without window: %v, %d cut", err, f.cut(ReasonStalled))
		}
	}
}

// TestConnectionWindow has many calls share a connection's window: they all end, and
// none gets what it has no window for.
func TestConnectionWindow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 1<<20)
	const calls, size = 30, 20_000
	total := 0
	for i := range calls {
		if _, err := p.Call(getMethod, get(size, int64(i%3)*900), false); err != nil {
			t.Fatal(err)
		}
	}
	granted := defaultWindow
	for end := time.Now().Add(patience); ; {
		ended := 0
		total = 0
		for id, r := range p.Results() {
			total += r.Bytes
			if r.Ended {
				if ended++; r.Code != 0 {
					t.Fatalf("call %d: %+v", id, r)
				}
			}
		}
		if total > granted {
			t.Fatalf("%d bytes with window for %d", total, granted)
		}
		if ended == calls {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d calls ended, %d bytes of %d granted", ended, calls, total, granted)
		}
		if granted-total < 1000 {
			granted += 30_000
			p.Grant(0, 30_000)
		}
		time.Sleep(time.Millisecond)
	}
	f.idle(t)
}

// TestGzip sends what becomes a thousandth on the wire: what was reserved for it is
// given back.
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

package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// TestSilentPeer makes calls whose replies exceed the window, and grants nothing. The calls
// end with their status, and the connection continues to work.
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

// TestNoWindow makes calls with an initial window of 0.
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
			t.Errorf("%s = %+v, %v; want ResourceExhausted without data", call.method, r, err)
		}
	}
	f.idle(t)
}

// TestTinyWindow grants a few bytes at a time until everything has arrived.
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
					t.Fatalf("at the end: %+v", r)
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

// TestSettingsOpenWindow opens a window by SETTINGS, not by WINDOW_UPDATE.
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

// TestNegativeWindow reduces the initial window below what was sent, so that the window of a
// stream becomes negative. Nothing is sent until grants have made it positive again.
func TestNegativeWindow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 10_000)
	id, err := p.Call(getMethod, get(50_000, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Await(id, patience, func(r h2test.Result) bool { return r.Bytes >= 5000 })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	// The window is at most 0 now, and stays so after this grant.
	if err := p.Grant(id, uint32(r.Bytes)/2); err != nil {
		t.Fatal(err)
	}
	granted := int64(r.Bytes) / 2
	if r, err = p.Await(id, 100*time.Millisecond, h2test.Ended); err == nil || r.Bytes > 10_000 {
		t.Fatalf("with a negative window: %+v, %v", r, err)
	}
	if got, want := f.window(id), granted-int64(r.Bytes); got != want || got > 0 {
		t.Errorf("the window is %d, want %d", got, want)
	}
	if err := p.Grant(id, 1<<20); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 50_000 {
		t.Errorf("with window: %+v, %v", r, err)
	}
	f.idle(t)
}

// TestMessageBeyondWindow makes a call whose reply is one message larger than the window. It
// is sent as far as the window goes. If the peer grants no more, the connection is closed:
// grpc-go cannot discard a queued message in any other way.
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
			t.Errorf("without window: %v, %d closed", err, f.cut(ReasonStalled))
		}
	}
}

// TestConnectionWindow makes many calls that share the window of their connection. All of
// them end, and the window is never exceeded.
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

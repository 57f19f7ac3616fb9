package h2

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"example.com/parity/server/internal/h2/h2test"
)

// partOf returns the first n bytes of a message of size bytes, with its prefix.
func partOf(size uint32, n int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, size), make([]byte, n)...)
}

// TestRequestTimeout opens calls whose requests do not arrive, or not whole. They end, and
// the connection and its other calls go on.
func TestRequestTimeout(t *testing.T) {
	const timeout = 200 * time.Millisecond
	f := newFixtureOf(t, 1<<20, patience, &service{}, serverOptions{request: timeout})
	p := f.peer(t, 0)
	slow, err := p.Call(getMethod, get(1000, 0), false) // has arrived, and waits for window
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method string
		sent   []byte
		code   codes.Code
	}{
		{getMethod, nil, codes.DeadlineExceeded},
		{getMethod, []byte{0, 0}, codes.DeadlineExceeded},
		{getMethod, partOf(1000, 999), codes.DeadlineExceeded},
		{getMethod, partOf(0, 0), codes.DeadlineExceeded}, // whole, but more may follow
		{listMethod, nil, codes.DeadlineExceeded},
		{listMethod, partOf(1000, 999), codes.DeadlineExceeded},
	} {
		began := time.Now()
		id, err := p.Call(c.method, nil, true)
		if err == nil && c.sent != nil {
			err = p.Raw(http2.FrameData, 0, id, c.sent)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Await(id, patience, h2test.Ended)
		if err != nil || codes.Code(r.Code) != c.code || time.Since(began) < timeout {
			t.Errorf("%s after %d bytes of a request: %+v, %v after %s; want %v after %s",
				c.method, len(c.sent), r, err, time.Since(began), c.code, timeout)
		}
	}
	if err := p.Grant(slow, 10_000); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(slow, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 1000 {
		t.Errorf("call that had arrived: %+v, %v", r, err)
	}
	f.idle(t)
}

// TestUnreadRequests sends more of requests than handlers can read, on one connection.
// The calls that hold most end, and small ones are served.
func TestUnreadRequests(t *testing.T) {
	const account = 1 << 20
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 1<<20)
	var ids []uint32
	for range 100 { // as many as may be open
		id, err := p.Call(getMethod, nil, true)
		if err == nil {
			err = p.Raw(http2.FrameData, 0, id, partOf(1<<20, 16_000))
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	// 100 times 16 kB are more than the allowance and this connection's share.
	refused := 0
	for end := time.Now().Add(patience); refused < 80 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		refused = 0
		for _, id := range ids {
			if r := p.Results()[id]; r.Ended && codes.Code(r.Code) == codes.Canceled {
				refused++
			}
		}
	}
	if refused < 80 || refused == len(ids) {
		t.Errorf("%d of %d calls were refused, want most", refused, len(ids))
	}
	if held := f.account.Held(); held > account/4 {
		t.Errorf("%d bytes are charged to one connection, want at most a fifth of %d", held, account)
	}
	id, err := p.Call(getMethod, get(1000, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 1000 {
		t.Errorf("another call: %+v, %v", r, err)
	}
	for _, id := range ids {
		if err := p.Reset(id); err != nil {
			t.Fatal(err)
		}
	}
	f.idle(t)
}

// TestUnreadIsReleased makes many calls whose requests are padded and come in parts: all
// that they held is released when they are read.
func TestUnreadIsReleased(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 1<<20)
	for range 50 {
		id, err := p.CallInFragments(getMethod, get(1000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	f.idle(t)
}

// TestArriving cuts a sequence of messages at all pairs of places.
func TestArriving(t *testing.T) {
	stream := bytes.Join([][]byte{partOf(0, 0), partOf(3, 3), partOf(1, 1), partOf(9, 4)}, nil)
	ends := []int{5, 13, 19} // the fourth is incomplete
	for i := range stream {
		for j := i; j < len(stream); j++ {
			var a arriving
			n := a.add(stream[:i]) + a.add(stream[i:j])
			want, last := 0, 0
			for _, end := range ends {
				if end <= j {
					want, last = want+1, end
				}
			}
			if n != want || a.partial != j-last {
				t.Fatalf("cut at %d and %d: %d messages and %d bytes, want %d and %d", i, j, n, a.partial, want, j-last)
			}
		}
	}
}

// TestInboundPadding checks that padding is no part of messages, however it is cut.
func TestInboundPadding(t *testing.T) {
	body := partOf(3, 3)
	payload := append([]byte{4}, append(body, make([]byte, 4)...)...)
	frame := append([]byte{0, 0, byte(len(payload)), frameData, flagPadded, 0, 0, 0, 1}, payload...)
	for cut := range frame {
		c := newConn(nil, New(Options{}))
		s := &Stream{c: c, id: 1}
		c.streams[1] = s
		in := inbound{conn: c}
		for _, part := range [][]byte{frame[:cut], frame[cut:]} {
			if err := in.received(part); err != nil {
				t.Fatal(err)
			}
		}
		if s.unread.messages != 1 || s.unread.arriving.partial != 0 || s.unread.memory != int64(len(body))+dataOverhead {
			t.Fatalf("cut at %d: %+v", cut, s.unread)
		}
		s.read()
		if s.unread.memory != 0 || c.unread != 0 {
			t.Fatalf("cut at %d: %d bytes are unread after the message", cut, c.unread)
		}
	}
}

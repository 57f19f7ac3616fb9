package app

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/h2/h2test"
)

// prefixed returns a gRPC message, of which the first n bytes of body are sent.
func prefixed(body []byte, n int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body[:n]...)
}

// sendRaw sends bytes of requests, without regard to messages, in the largest frames.
func sendRaw(p *h2test.Peer, id uint32, b []byte) error {
	for part := range slices.Chunk(b, 16<<10) {
		if err := p.Raw(http2.FrameData, 0, id, part); err != nil {
			return err
		}
	}
	return nil
}

// TestPartialRequests opens calls whose requests never arrive whole. Memory stays bounded,
// new clients are served, and all calls are ended in time.
func TestPartialRequests(t *testing.T) {
	b := startBesieged(t)
	before := b.resident(t)
	var peers []*h2test.Peer
	var calls [][]uint32
	methods := []string{filesv1.FileService_Get_FullMethodName, numbersv1.NumberService_Draw_FullMethodName}
	began := time.Now()
	for range doorScale(8, 64) {
		p := b.peer(t, 1<<16)
		p.Read()
		var ids []uint32
		for i := range maxCalls {
			id, err := p.Call(methods[i%2], nil, true)
			size := []int{60_000, maxRequest}[i/2%2]
			if err == nil {
				err = sendRaw(p, id, prefixed(make([]byte, size), size-1))
			}
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		peers, calls = append(peers, p), append(calls, ids)
	}
	most, worst := 0, time.Duration(0)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		most = max(most, b.resident(t)-before)
		worst = max(worst, b.serves(t))
	}
	codesSeen := map[codes.Code]int{}
	for i, p := range peers {
		for _, id := range calls[i] {
			r, err := p.Await(id, requestTimeout+doorPatience, h2test.Ended)
			if err != nil {
				t.Fatalf("call with a part of a request: %v", err)
			}
			codesSeen[codes.Code(r.Code)]++
		}
	}
	t.Logf("%d MiB more than before, new clients served within %s, all calls ended after %s: %v",
		most>>20, worst.Round(time.Millisecond), time.Since(began).Round(time.Second), codesSeen)
	if limit := doorScale(60, 200); most > limit<<20 {
		t.Errorf("want at most %d MiB", limit)
	}
}

// TestRequestWindow has a client acknowledge pings late, by which grpc-go would measure a
// long and fast path. The windows for its requests stay small.
func TestRequestWindow(t *testing.T) {
	b := startBesieged(t)
	p := b.peer(t, 1<<16)
	for range 100 { // far more than the window of the connection, before any acknowledgement
		id, err := p.Call(numbersv1.NumberService_Count_FullMethodName, nil, true)
		if err == nil {
			err = sendRaw(p, id, prefixed(make([]byte, maxRequest), maxRequest-1))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	marker := [8]byte{1, 2, 3}
	if err := p.Raw(http2.FramePing, 0, 0, marker[:]); err != nil {
		t.Fatal(err)
	}
	if err := p.Conn.SetReadDeadline(time.Now().Add(doorPatience)); err != nil {
		t.Fatal(err)
	}
	frames := http2.NewFramer(nil, p.Conn)
	for markers := 0; markers < 2; {
		f, err := frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if window, ok := f.Value(http2.SettingInitialWindowSize); ok && window > streamWindow {
				t.Errorf("the window of a call is %d, want at most %d", window, streamWindow)
			}
		case *http2.PingFrame:
			switch {
			case f.IsAck() && markers == 0: // all was sent before the first acknowledgement
				markers++
				err = p.Raw(http2.FramePing, 0, 0, marker[:])
			case f.IsAck():
				markers++
			default:
				err = p.Raw(http2.FramePing, http2.FlagPingAck, 0, bytes.Clone(f.Data[:]))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestUnreadReports sends far more reports in 250 sessions of a connection than may be
// reported. The sessions with most of them end, with a status that says why, and the others
// go on.
func TestUnreadReports(t *testing.T) {
	b := startBesieged(t)
	p := b.peer(t, 1<<16)
	p.Read()
	report, err := proto.Marshal(&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	reports := bytes.Repeat(prefixed(report, len(report)), 64_000/(5+len(report)))
	var ids []uint32
	for i := range maxCalls {
		id, err := p.Call(numbersv1.NumberService_Count_FullMethodName,
			&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: int32(i)}}}, true)
		if err == nil && i > 0 {
			err = sendRaw(p, id, reports)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	ended, told := 0, 0
	for end := time.Now().Add(doorPatience); ended < maxCalls/2 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		ended, told = 0, 0
		for id, r := range p.Results() {
			if r.Ended && id != 0 {
				ended++
			}
			if codes.Code(r.Code) == codes.ResourceExhausted {
				told++
			}
		}
	}
	if ended < maxCalls/2 || told == 0 || p.Results()[ids[0]].Ended {
		t.Errorf("%d of %d sessions ended, %d with RESOURCE_EXHAUSTED; want most, and not the one without reports", ended, len(ids), told)
	}
	draw := &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{}}
	had := p.Results()[ids[0]].Bytes
	if err := p.Send(ids[0], draw); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Await(ids[0], doorPatience, func(r h2test.Result) bool { return r.Bytes > had }); err != nil {
		t.Errorf("draw in the session without reports: %v", err)
	}
}

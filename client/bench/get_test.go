package bench

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

func TestGet(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("empty", nil)
	files.Put("4k", bytes.Repeat([]byte("x"), 4<<10))
	files.Put("3m", bytes.Repeat([]byte("y"), 3<<20))
	s := fakeserver.Start(t, files, nil)
	for _, download := range []bool{false, true} {
		load := &Get{Conns: dialN(t, s.Addr, 2), Files: []string{"empty", "4k", "3m"}, Download: download}
		t.Run(load.name(), func(t *testing.T) {
			r := runUntil(t, 9, 0, 3, load)
			wantClean(t, r)
			if r.Clients != 3 || r.Latency.P50 <= 0 || r.Latency.P999 < r.Latency.P50 {
				t.Errorf("result %+v does not add up", r)
			}
			// The files take turns, so whole rounds of them have their bytes.
			if round := int64(3<<20 + 4<<10); r.Bytes < (r.Operations/3-3)*round || r.Bytes > (r.Operations/3+4)*round {
				t.Errorf("%d operations brought %d bytes", r.Operations, r.Bytes)
			}
		})
	}
}

// TestGetParallel downloads over several connections, into a directory as well, which is
// left empty.
func TestGetParallel(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("9m", bytes.Repeat([]byte("z"), 9<<20))
	s := fakeserver.Start(t, files, nil)
	to := t.TempDir()
	for _, where := range []string{"", to} {
		load := &Get{Conns: dialN(t, s.Addr, 6), Files: []string{"9m"}, Download: true, Parallel: 3, To: where}
		r := runUntil(t, 4, 0, 2, load)
		wantClean(t, r)
		if r.Bytes < r.Operations*9<<20 {
			t.Errorf("%d operations brought %d bytes", r.Operations, r.Bytes)
		}
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	from := map[string]bool{}
	for _, call := range files.Calls() {
		if call.GetOffset() > 0 {
			p, _ := peer.FromContext(call.Stream.Context())
			from[p.Addr.String()] = true
		}
	}
	if len(from) <= 4 { // two runs of two clients
		t.Errorf("ranges came over %d connections, want more than one a client", len(from))
	}
}

// TestGetCountsWrongAnswers has a server that sends wrong answers once the load has begun.
func TestGetCountsWrongAnswers(t *testing.T) {
	for says, before := range map[string]func(call *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error{
		"checksum is": func(_ *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error {
			if sent > 0 {
				resp.Data = bytes.Clone(resp.GetData())
				resp.Data[17]++
			}
			return nil
		},
		"promised 2097152 bytes, got 2097151": func(_ *fakeserver.Call, _ int64, resp *filesv1.GetResponse) error {
			if resp.Crc32C != nil {
				resp.Data = resp.GetData()[1:]
			}
			return nil
		},
		"without a checksum": func(_ *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
			if sent > 0 {
				return io.EOF
			}
			return nil
		},
		"too hot (Internal)": func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
			return status.Error(codes.Internal, "too hot")
		},
	} {
		t.Run(says, func(t *testing.T) {
			files := &fakeserver.Files{Before: func(call *fakeserver.Call, sent int64, resp *filesv1.GetResponse) error {
				if call.Number < 3 { // prepare's, connect's, and one that is right
					return nil
				}
				return before(call, sent, resp)
			}}
			files.Put("2m", make([]byte, 2<<20))
			s := fakeserver.Start(t, files, nil)
			r := runUntil(t, 0, 1, 1, &Get{Conns: dialN(t, s.Addr, 1), Files: []string{"2m"}})
			wantError(t, r, says)
			if r.Operations != 1 {
				t.Errorf("%d operations succeeded, want 1", r.Operations)
			}
		})
	}
}

func TestGetNotFound(t *testing.T) {
	s := fakeserver.Start(t, new(fakeserver.Files), nil)
	_, err := Run(t.Context(), &Get{Conns: dialN(t, s.Addr, 1), Files: []string{"no"}}, Options{Clients: 1, For: moment})
	if status.Code(err) != codes.NotFound {
		t.Errorf("Run = %v, want NotFound", err)
	}
}

func TestGetRate(t *testing.T) {
	t.Parallel()
	files := new(fakeserver.Files)
	files.Put("8m", make([]byte, 8<<20))
	s := fakeserver.Start(t, files, nil)
	const rate, clients = 4 << 20, 2
	r := runFor(t, time.Second, clients, &Get{Conns: dialN(t, s.Addr, clients), Files: []string{"8m"}, Rate: rate})
	// A client sleeps after what it has taken: it may be a response ahead.
	most := clients * (rate*r.Seconds + 1<<20)
	if bytes := float64(r.Bytes); bytes < most/4 || bytes > most {
		t.Errorf("took %.0f bytes in %.2f s, want up to %.0f", bytes, r.Seconds, most)
	}
	if r.Errors != 0 {
		t.Errorf("errors: %q", r.Examples)
	}
}

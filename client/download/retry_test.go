package download

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// bubble runs test with a server of files in the same synctest bubble.
func bubble(t *testing.T, files *fakeserver.Files, test func(t *testing.T, client filesv1.FileServiceClient)) {
	t.Helper()
	fakeserver.Bubble(t, func(s grpc.ServiceRegistrar) {
		filesv1.RegisterFileServiceServer(s, files)
	}, func(t *testing.T, conn grpc.ClientConnInterface) {
		test(t, filesv1.NewFileServiceClient(conn))
	})
}

// A download without progress fails after about ten seconds.
func TestGetGivesUp(t *testing.T) {
	for name, fault := range map[string]func(*filesv1.GetResponse) error{
		"unavailable": func(*filesv1.GetResponse) error { return status.Error(codes.Unavailable, "restarting") },
		"checksum": func(r *filesv1.GetResponse) error {
			if r.Crc32C != nil {
				*r.Crc32C++
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := new(fakeserver.Files)
			files.Put("f", random(2*segmentSize, 20))
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			files.Before = func(call *fakeserver.Call, _ int64, r *filesv1.GetResponse) error {
				if call.GetOffset() < segmentSize {
					return nil
				}
				return fault(r)
			}
			bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
				start := time.Now()
				notices := 0
				_, err := Get(t.Context(), client, "f", path, Options{Force: true, Outage: func(o Outage) {
					if o.Err != nil {
						notices++
					}
				}})
				if err == nil || errors.Is(err, errChecksum) != (name == "checksum") {
					t.Errorf("Get = %v", err)
				}
				if took := time.Since(start); notices != maxRetries || took < 5*time.Second || took > 15*time.Second {
					t.Errorf("gave up after %v and %d retries", took, notices)
				}
			})
			wantFile(t, path, []byte("old"))
			wantDir(t, dir, "f", "*.part")
		})
	}
}

// A server that becomes silent counts as lost.
func TestGetStalled(t *testing.T) {
	files := new(fakeserver.Files)
	data := random(segmentSize, 21)
	files.Put("f", data)
	files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
		if call.Number == 0 && sent == 2*chunk {
			<-call.Stream.Context().Done()
		}
		return nil
	}
	var r Result
	bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
		start := time.Now()
		var err error
		if r, err = GetBelow(t.Context(), client, "f", t.TempDir(), Options{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < stallTimeout || took > stallTimeout+time.Second {
			t.Errorf("took %v", took)
		}
		wantFile(t, r.Path, data)
	})
}

// refusal is the status of a server that asks for a retry later.
func refusal(tb testing.TB, code codes.Code, reason string, delay time.Duration) error {
	tb.Helper()
	s, err := status.New(code, "not now").WithDetails(
		&errdetails.ErrorInfo{Domain: "parity", Reason: reason},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if err != nil {
		tb.Fatal(err)
	}
	return s.Err()
}

// TestGetWaitsAsTold has a server that asks for a retry after some time, before the first
// bytes of the file or after them.
func TestGetWaitsAsTold(t *testing.T) {
	for _, c := range []struct {
		code        codes.Code
		reason      string
		delay, want time.Duration // each time
	}{
		{codes.ResourceExhausted, "SEND_STALLED", 10 * time.Second, 10 * time.Second},
		{codes.ResourceExhausted, "TOO_MANY_CONNECTIONS", time.Hour, maxRetryInfo},
		{codes.Unavailable, "DISK_UNAVAILABLE", 10 * time.Second, 10 * time.Second},
		{codes.Unavailable, "DIRECTORY_UNAVAILABLE", time.Hour, maxRetryInfo},
	} {
		for where, offset := range map[string]int64{"at first": 0, "in the middle": segmentSize} {
			t.Run(c.reason+" "+where, func(t *testing.T) {
				const times = 3
				files := new(fakeserver.Files)
				data := random(2*segmentSize, 22)
				files.Put("f", data)
				left := times
				files.Before = func(call *fakeserver.Call, sent int64, _ *filesv1.GetResponse) error {
					if call.GetOffset() == offset && sent == offset/segmentSize*chunk && left > 0 {
						left--
						return refusal(t, c.code, c.reason, c.delay)
					}
					return nil
				}
				bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
					start := time.Now()
					r, err := GetBelow(t.Context(), client, "f", t.TempDir(), Options{})
					if err != nil {
						t.Fatal(err)
					}
					wantFile(t, r.Path, data)
					if took := time.Since(start); took != times*c.want {
						t.Errorf("told to wait %v %d times, took %v, want %v", c.delay, times, took, times*c.want)
					}
				})
			})
		}
	}
}

// TestGetWaitsNoLonger has a server that always asks for a later retry: Get fails in the end.
func TestGetWaitsNoLonger(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", random(chunk, 23))
	files.Before = func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
		return refusal(t, codes.Unavailable, "DISK_UNAVAILABLE", time.Hour)
	}
	bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
		start := time.Now()
		if _, err := GetBelow(t.Context(), client, "f", t.TempDir(), Options{}); status.Code(err) != codes.Unavailable {
			t.Errorf("GetBelow = %v, want Unavailable", err)
		}
		if took := time.Since(start); took != maxRetries*maxRetryInfo {
			t.Errorf("gave up after %v, want %v", took, maxRetries*maxRetryInfo)
		}
	})
}

func TestRetriable(t *testing.T) {
	for err, want := range map[error]bool{
		status.Error(codes.Unavailable, ""):                        true,
		status.Error(codes.Internal, ""):                           true,
		fmt.Errorf("wrapped: %w", status.Error(codes.Unknown, "")): true,
		errStalled:  true,
		errChecksum: true,
		status.Error(codes.ResourceExhausted, "no RetryInfo"):  false,
		refusal(t, codes.ResourceExhausted, "SEND_STALLED", 0): true,
		status.Error(codes.NotFound, ""):                       false,
		status.Error(codes.PermissionDenied, ""):               false,
		errChanged:                                             false,
		errors.New("anything"):                                 false,
	} {
		if got := retriable(err); got != want {
			t.Errorf("retriable(%v) = %v, want %v", err, got, want)
		}
	}
}

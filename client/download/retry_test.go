package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// bubble runs test with a server in the same synctest bubble, so that time
// passes only where everything waits for it.
func bubble(t *testing.T, files *fakeserver.Files, test func(t *testing.T, client filesv1.FileServiceClient)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		lis := bufconn.Listen(1 << 20)
		server := grpc.NewServer()
		filesv1.RegisterFileServiceServer(server, files)
		go server.Serve(lis)
		conn := fakeserver.Dial(t, "passthrough:///bubble", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}))
		test(t, filesv1.NewFileServiceClient(conn))
		conn.Close()
		server.Stop()
		synctest.Wait()
	})
}

// A download that gets no further gives up, after some ten seconds.
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
				_, err := Get(t.Context(), client, "f", path, Options{Force: true, Notice: func(string) { notices++ }})
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

// A server that falls silent is as good as gone.
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

func TestGetWaitsAsTold(t *testing.T) {
	busy := func(delay time.Duration) error {
		s, err := status.New(codes.ResourceExhausted, "too many").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	for delay, want := range map[time.Duration]time.Duration{
		10 * time.Second: 10 * time.Second,
		time.Hour:        maxRetryInfo,
	} {
		files := new(fakeserver.Files)
		files.Put("f", random(2*segmentSize, 22))
		failed := false
		files.Before = func(call *fakeserver.Call, _ int64, _ *filesv1.GetResponse) error {
			if call.GetOffset() == segmentSize && !failed {
				failed = true
				return busy(delay)
			}
			return nil
		}
		bubble(t, files, func(t *testing.T, client filesv1.FileServiceClient) {
			start := time.Now()
			if _, err := GetBelow(t.Context(), client, "f", t.TempDir(), Options{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("told to wait %v, took %v, want %v", delay, took, want)
			}
		})
	}
}

func TestRetriable(t *testing.T) {
	for err, want := range map[error]bool{
		status.Error(codes.Unavailable, ""):                        true,
		status.Error(codes.Internal, ""):                           true,
		fmt.Errorf("wrapped: %w", status.Error(codes.Unknown, "")): true,
		errStalled:  true,
		errChecksum: true,
		status.Error(codes.ResourceExhausted, "no RetryInfo"): false,
		status.Error(codes.NotFound, ""):                      false,
		status.Error(codes.PermissionDenied, ""):              false,
		errChanged:                                            false,
		errors.New("anything"):                                false,
	} {
		if got := retriable(err); got != want {
			t.Errorf("retriable(%v) = %v, want %v", err, got, want)
		}
	}
}

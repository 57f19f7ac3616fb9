package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/syncbuf"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// lumberjack starts a goroutine for each log and never ends it. A server opens one
		// log.
		goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"),
		// go-redis tries once a second to reconnect, even after the client is closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"),
		goleak.Cleanup(func(code int) {
			os.RemoveAll(buildDir)
			os.Exit(code)
		}))
}

// running is a server in this process, on free ports.
type running struct {
	*server
	dir     string // served
	logFile string
	stderr  *syncBuffer
	stop    func() error // shuts it down and returns the error of serve; may be called again
}

// start serves an empty directory. The flags are added to those that every test needs.
func start(tb testing.TB, flags ...string) *running {
	tb.Helper()
	return startIn(tb, tb.TempDir(), flags...)
}

// startIn serves dir. The server is stopped at the end of the test.
func startIn(tb testing.TB, dir string, flags ...string) *running {
	tb.Helper()
	r := &running{dir: dir, stderr: &syncBuffer{}}
	args := serverArgs(tb, dir, append([]string{"--legacy-files=127.0.0.1:0", "--drain-timeout=5s"}, flags...)...)
	cmd, err := parse(args, r.stderr, r.stderr)
	if err != nil {
		tb.Fatal(err)
	}
	if r.server, err = open(tb.Context(), cmd.(*serveCommand), r.stderr); err != nil {
		tb.Fatal(err)
	}
	r.logFile = r.flags.LogFile
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.serve(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	tb.Cleanup(func() {
		if err := r.stop(); err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return r
}

// dial returns a gRPC connection to the server.
func (r *running) dial(tb testing.TB) *grpc.ClientConn {
	tb.Helper()
	cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cc.Close() })
	return cc
}

func (r *running) numbersClient(tb testing.TB) numbersv1.NumberServiceClient {
	return numbersv1.NewNumberServiceClient(r.dial(tb))
}

func (r *running) filesClient(tb testing.TB) filesv1.FileServiceClient {
	return filesv1.NewFileServiceClient(r.dial(tb))
}

func (r *running) legacyAddr() string      { return r.front.legacyListener.Addr().String() }
func (r *running) legacyFilesAddr() string { return r.front.filesListener.Addr().String() }

// write creates a file in the served directory that was last modified an hour ago, so
// that it can be cached at once.
func (r *running) write(tb testing.TB, name string, data []byte) {
	tb.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, then, then); err != nil {
		tb.Fatal(err)
	}
}

// logged returns the lines of server.log that contain all of texts. Call it after stop.
func (r *running) logged(tb testing.TB, texts ...string) []string {
	tb.Helper()
	log, err := os.ReadFile(r.logFile)
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
lines:
	for line := range strings.Lines(string(log)) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// syncBuffer is a bytes.Buffer for concurrent use.
type syncBuffer = syncbuf.Buffer

package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	"example.com/parity/internal/await"
	"example.com/parity/internal/tcptest"
)

// registerArgs are flags of a process that serves an empty directory and keeps its log
// apart from its register.
func registerArgs(tb testing.TB, flags ...string) []string {
	tb.Helper()
	args := []string{
		"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=",
		"--data-dir=" + tb.TempDir(), "--log-file=" + filepath.Join(tb.TempDir(), "server.log"),
	}
	return append(append(args, flags...), tb.TempDir())
}

// endsFailing runs the program until it ends, checks that its exit status is 1, and returns
// its output.
func endsFailing(tb testing.TB, args ...string) string {
	tb.Helper()
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitFailed {
		tb.Fatalf("it ended with %v, want status %d:\n%s", err, exitFailed, out)
	}
	return string(out)
}

// TestFaultDataDirRemoved removes the data directory of a server with a counting client.
// Lost values are not confirmed, and NumberService is NOT_SERVING.
func TestFaultDataDirRemoved(t *testing.T) {
	for _, test := range []struct {
		name string
		take func(dir string) error
		want string
	}{
		{"removed", os.RemoveAll, "it was removed"},
		{"replaced", func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return os.CopyFS(dir, os.DirFS(dir+".old"))
		}, "it was replaced"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			p := startProcess(t, registerArgs(t, "--data-dir="+dir)...)
			cc := p.dial(t)
			s := begin(t, rpcDoor{cc}, 7, 0).(*rpcCounting)
			send(t, s, 12)
			if resp, err := s.stream.Recv(); err != nil || resp.GetCommitted().GetValue() != 12 {
				t.Fatalf("before: %v, %v; want 12 committed", resp, err)
			}
			if err := test.take(dir); err != nil {
				t.Fatal(err)
			}
			send(t, s, 13)
			resp, err := s.stream.Recv()
			if err == nil {
				t.Fatalf("afterwards: %v; want an error", resp)
			}
			wantStatus(t, "the session", err, codes.Unavailable, "REGISTER_UNAVAILABLE")
			_, _, err = rpcDoor{cc}.count(t.Context(), 8)
			wantStatus(t, "a new session", err, codes.Unavailable, "REGISTER_UNAVAILABLE")

			health := grpc_health_v1.NewHealthClient(cc)
			await.That(t, "health says NOT_SERVING", func() bool {
				resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "parity.numbers.v1.NumberService"})
				return err == nil && resp.GetStatus() == grpc_health_v1.HealthCheckResponse_NOT_SERVING
			})
			if said := p.stderr.String(); !strings.Contains(said, test.want) {
				t.Errorf("stderr does not say %q:\n%s", test.want, said)
			}
		})
	}
}

// TestFaultEmptyRegister starts with a register that was truncated to 0 bytes.
func TestFaultEmptyRegister(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := endsFailing(t, registerArgs(t, "--state=sqlite:"+path)...)
	if !strings.Contains(out, "--state") || !strings.Contains(out, path) || !strings.Contains(out, "is empty") || strings.Count(out, "\n") != 1 {
		t.Errorf("it says %q, want one line with the flag, the path and that it is empty", out)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("the file is %v, %v afterwards, want it as it was", info, err)
	}
}

// startWaiting starts the program while its Redis is unreachable, and returns when it says
// that it waits. It is killed when the test ends, if it still runs then.
func startWaiting(tb testing.TB, redis *redisServer) (cmd *exec.Cmd, stderr *syncBuffer) {
	tb.Helper()
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	stderr = &syncBuffer{}
	cmd = exec.Command(path, registerArgs(tb, redis.state())...)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	await.That(tb, "it waits for Redis", func() bool { return strings.Contains(stderr.String(), "redis is unreachable, waiting for it") })
	return cmd, stderr
}

// TestFaultRedisAwayAtStart starts a server before its Redis.
func TestFaultRedisAwayAtStart(t *testing.T) {
	redis := newRedisServer(t)
	redis.stop()
	cmd, stderr := startWaiting(t, redis)
	if strings.Contains(stderr.String(), "serving") {
		t.Errorf("it serves without Redis:\n%s", stderr.String())
	}
	redis.start(t)
	await.That(t, "it serves", func() bool { return strings.Contains(stderr.String(), "serving gRPC") })
	if n := strings.Count(stderr.String(), "waiting"); n != 1 {
		t.Errorf("it says %d times that it waits, want once:\n%s", n, stderr.String())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestFaultRedisAwaySIGTERM ends a server that waits for its Redis.
func TestFaultRedisAwaySIGTERM(t *testing.T) {
	redis := newRedisServer(t)
	redis.stop()
	cmd, stderr := startWaiting(t, redis)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told := time.Now()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, stderr.String())
	}
	if took := time.Since(told); took > 10*time.Second {
		t.Errorf("it ended after %v", took)
	}
}

// TestFaultRedisNever waits for a Redis that never starts. It takes half a minute, and runs
// only with PARITY_FAULTS=full.
func TestFaultRedisNever(t *testing.T) {
	if os.Getenv("PARITY_FAULTS") != "full" {
		t.Skip("takes half a minute: PARITY_FAULTS=full")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	redis := newRedisServer(t)
	redis.stop()
	began := time.Now()
	out, err := exec.Command(path, registerArgs(t, redis.state())...).CombinedOutput()
	took := time.Since(began)
	if err == nil || took < 30*time.Second || took > 40*time.Second || strings.Count(string(out), "\n") != 2 {
		t.Errorf("it ended with %v after %v, want status 1 after 30 s and two lines:\n%s", err, took, out)
	}
}

// TestFaultRedisClocks has two servers share a client. By what is in Redis, the clock of the
// first is an hour ahead. The later report, through the second, is confirmed and stays.
func TestFaultRedisClocks(t *testing.T) {
	redisServer := newRedisServer(t)
	a, b := start(t, redisServer.state()), start(t, redisServer.state())
	onA := begin(t, rpcDoor{a.dial(t)}, 7, 0)
	onB := begin(t, rpcDoor{b.dial(t)}, 7, 0)
	commitReport(t, onA, 12)
	writtenAhead(t, redisServer, 7)
	commitReport(t, onB, 9)
	awaitClient(t, a.numbersClient(t), 2, 9)
	for _, s := range []counting{onA, onB} {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// writtenAhead changes the record of a client as if a server whose clock is an hour ahead
// had written it. Earlier versions ordered writes by the times in these fields.
func writtenAhead(tb testing.TB, s *redisServer, id int32) {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	ahead := time.Now().Add(time.Hour).UnixMicro()
	if err := client.HSet(tb.Context(), fmt.Sprint("parity:v1:client:", id), "value_at", ahead, "number_at", ahead).Err(); err != nil {
		tb.Fatal(err)
	}
}

// TestFaultRedisLink disconnects one of two servers from Redis; its clock is an hour ahead.
// Its client reports a last value there and continues at the other server.
func TestFaultRedisLink(t *testing.T) {
	redis := newRedisServer(t)
	link := newRedisLink(t, redis.addr)
	a, b := start(t, "--state=redis://"+link.addr()), start(t, redis.state())
	onA := begin(t, rpcDoor{a.dial(t)}, 7, 0)
	commitReport(t, onA, 4)
	if err := onA.close(); err != nil {
		t.Fatal(err)
	}
	writtenAhead(t, redis, 7)
	onA = begin(t, rpcDoor{a.dial(t)}, 7, 4)
	commitReport(t, onA, 5)
	link.cut()
	send(t, onA, 12)
	await.That(t, "the server has noticed", func() bool { return strings.Contains(a.stderr.String(), "changes cannot be written") })
	send(t, onA, 13)

	onB := begin(t, rpcDoor{b.dial(t)}, 7, 5)
	commitReport(t, onB, 42)
	if err := onB.close(); err != nil {
		t.Error(err)
	}
	link.mend()
	for confirmed := int64(0); confirmed < 3; {
		resp, err := onA.(*rpcCounting).stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		confirmed = resp.GetCommitted().GetReports()
	}
	awaitClient(t, b.numbersClient(t), 1, 42)
	commitReport(t, onA, 43) // who is still there can go on
	awaitClient(t, b.numbersClient(t), 1, 43)
	if err := onA.close(); err != nil {
		t.Error(err)
	}
}

// commitReport reports a value and returns when it is confirmed.
func commitReport(tb testing.TB, s counting, value int64) {
	tb.Helper()
	send(tb, s, value)
	for {
		resp, err := s.(*rpcCounting).stream.Recv()
		if err != nil {
			tb.Fatal(err)
		}
		if resp.GetCommitted().GetValue() == value {
			return
		}
	}
}

// redisLink is a TCP connection that can be cut.
type redisLink struct {
	address string

	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func newRedisLink(tb testing.TB, target string) *redisLink {
	tb.Helper()
	k := new(redisLink)
	k.address = tcptest.Serve(tb, func(conn *net.TCPConn) {
		upstream, err := net.Dial("tcp", target)
		if err != nil || !k.take(conn, upstream) {
			return
		}
		var wg sync.WaitGroup
		for _, ends := range [][2]net.Conn{{conn, upstream}, {upstream, conn}} {
			wg.Go(func() {
				io.Copy(ends[0], ends[1])
				ends[0].Close()
			})
		}
		wg.Wait()
	})
	tb.Cleanup(k.cut)
	return k
}

func (k *redisLink) addr() string { return k.address }

// take keeps the ends of a connection, unless the link is cut.
func (k *redisLink) take(ends ...net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isCut {
		k.conns = append(k.conns, ends...)
		return true
	}
	for _, end := range ends {
		end.Close()
	}
	return false
}

func (k *redisLink) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.isCut = true
	for _, conn := range k.conns {
		conn.Close()
	}
}

func (k *redisLink) mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.isCut = false
}

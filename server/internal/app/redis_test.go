package app

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// redisServer is a redis-server process that can be stopped and restarted with its data.
type redisServer struct {
	addr, dir string
	cmd       *exec.Cmd // nil while it is stopped
}

func newRedisServer(tb testing.TB) *redisServer {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Skipf("needs a redis-server: %v", err)
	}
	s := &redisServer{addr: net.JoinHostPort("127.0.0.1", fixedPort(tb, "127.0.0.1")), dir: tb.TempDir()}
	tb.Cleanup(s.stop)
	s.start(tb)
	return s
}

// state returns the flag with which a server uses it.
func (s *redisServer) state() string { return "--state=redis://" + s.addr }

// start starts it and returns when it replies.
func (s *redisServer) start(tb testing.TB) {
	tb.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--loglevel", "warning")
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !s.answers(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("redis-server does not reply after 10 s")
		}
	}
}

// answers reports whether it replies, which it does once it has loaded its data.
func (s *redisServer) answers() bool {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false
	}
	defer nc.Close()
	fmt.Fprint(nc, "PING\r\n")
	reply, _ := bufio.NewReader(nc).ReadString('\n')
	return reply == "+PONG\r\n"
}

// stop kills it. The data is in its append-only file.
func (s *redisServer) stop() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

// TestRedisNextServer shuts down one of two servers. Its clients continue on the other.
func TestRedisNextServer(t *testing.T) {
	redis := newRedisServer(t)
	a, b := start(t, redis.state()), start(t, redis.state())
	for id, doorName := range []string{"grpc", "legacy"} {
		s := begin(t, a.doors(t)[doorName], int32(id), 0)
		for value := range int64(100) {
			send(t, s, value)
		}
		if err := drawOf(t.Context(), s, "odd"); err != nil { // so that the server has processed the reports
			t.Fatal(err)
		}
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	for id, doorName := range []string{"grpc", "legacy"} {
		s := begin(t, b.doors(t)[doorName], int32(id), 99)
		send(t, s, 100)
		if err := drawOf(t.Context(), s, "even"); err != nil {
			t.Fatal(err)
		}
		s.close()
	}
	for _, client := range listClients(t, b.numbersClient(t), 1000) {
		if client.GetLastValue() != 100 {
			t.Errorf("the register has %v, want value 100", client)
		}
	}
}

// TestRedisServerKilled kills the server instead: what was committed is kept.
func TestRedisServerKilled(t *testing.T) {
	redis := newRedisServer(t)
	b := start(t, redis.state())
	var committed, reported int64
	for range 3 {
		a := startProcess(t, serverArgs(t, t.TempDir(), redis.state())...)
		s, value, err := rpcDoor{a.dial(t)}.count(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if value < committed || value > reported {
			t.Fatalf("begins with %d; want %d (committed) to %d (reported)", value, committed, reported)
		}
		stream := s.(*rpcCounting).stream
		for target := value + 100; committed < target; {
			reported = max(reported, value) + 1
			send(t, s, reported)
			if reported%10 == 0 {
				resp, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				committed = resp.GetCommitted().GetValue()
			}
		}
		a.kill()

		s, value, err = rpcDoor{b.channel}.count(t.Context(), 7)
		if err != nil || value < committed || value > reported {
			t.Fatalf("continues with %d, %v; want %d (committed) to %d (reported)", value, err, committed, reported)
		}
		reported = value + 1
		send(t, s, reported)
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		committed = reported
	}
}

// TestRedisSharedID counts with one ID on two servers through two doors.
func TestRedisSharedID(t *testing.T) {
	redis := newRedisServer(t)
	a, b := start(t, redis.state()), start(t, redis.state())
	both := func(sessions int32, value int64) {
		t.Helper()
		for _, r := range []*running{a, b} {
			awaitClient(t, r.numbersClient(t), sessions, value)
		}
	}
	onA := begin(t, rpcDoor{a.dial(t)}, 3, 0)
	send(t, onA, 10)
	both(1, 10)
	onB := begin(t, legacyDoor{numbers: b.legacyAddr()}, 3, 10)
	both(2, 10)
	send(t, onB, 11)
	both(2, 11)
	send(t, onA, 9) // the last write wins, not the greatest value
	both(2, 9)
	if err := onA.close(); err != nil {
		t.Error(err)
	}
	both(1, 9)
	send(t, onB, 12)
	both(1, 12)
	if err := onB.close(); err != nil {
		t.Error(err)
	}
	both(0, 12)
}

// TestRedisAway stops and restarts Redis while a server has open sessions. Meanwhile the
// sessions go on without confirmations, and new ones are refused.
func TestRedisAway(t *testing.T) {
	redis := newRedisServer(t)
	r := start(t, redis.state())
	r.write(t, "f", []byte("content"))
	cc := r.dial(t)
	health := grpc_health_v1.NewHealthClient(cc)
	serving := func(service string) bool {
		t.Helper()
		resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
	}
	awaitNumbers := func(want bool) {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); serving("parity.numbers.v1.NumberService") != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after 15 s the number service is SERVING: %v, want %v", !want, want)
			}
		}
	}

	onGRPC := begin(t, rpcDoor{cc}, 1, 0)
	onLegacy := begin(t, legacyDoor{numbers: r.legacyAddr()}, 2, 0)
	stream := onGRPC.(*rpcCounting).stream
	send(t, onGRPC, 10)
	if resp, err := stream.Recv(); err != nil || resp.GetCommitted().GetValue() != 10 {
		t.Fatalf("with Redis: %v, %v; want Committed of value 10", resp, err)
	}
	if !serving("parity.numbers.v1.NumberService") {
		t.Error("with Redis, the number service is not SERVING")
	}

	redis.stop()
	stopped := time.Now()
	const reports = 1000
	for i := range int64(reports) {
		send(t, onGRPC, 11+i)
		send(t, onLegacy, 11+i)
	}
	awaitNumbers(false)
	if after := time.Since(stopped); after < 4*time.Second {
		t.Errorf("the number service was not SERVING after %v, want 4 s at least", after)
	}
	for _, service := range []string{"", "parity.files.v1.FileService"} {
		if !serving(service) {
			t.Errorf("without Redis, %q is not SERVING", service)
		}
	}
	if _, _, err := download(t.Context(), filesv1.NewFileServiceClient(cc), &filesv1.GetRequest{Name: "f"}); err != nil {
		t.Errorf("without Redis, Get: %v", err)
	}
	if err := drawOf(t.Context(), onLegacy, "odd"); err != nil {
		t.Errorf("without Redis, a draw in a legacy session: %v", err)
	}
	numbers := numbersv1.NewNumberServiceClient(cc)
	if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Errorf("without Redis, Draw: %v", err)
	}
	_, _, err := rpcDoor{cc}.count(t.Context(), 3)
	wantStatus(t, "a new session", err, codes.Unavailable, "REGISTER_UNAVAILABLE")
	// The next response is the Increment: no Committed came before it.
	send(t, onGRPC, 2000)
	if err := stream.Send(drawing(numbersv1.Parity_PARITY_EVEN)); err != nil {
		t.Fatal(err)
	}
	if resp, err := stream.Recv(); err != nil || resp.GetIncrement() == nil {
		t.Errorf("without Redis: %v, %v; want an Increment", resp, err)
	}

	redis.start(t)
	for confirmed := int64(0); confirmed < 1+reports+1; {
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		confirmed = resp.GetCommitted().GetReports()
		if want := int64(2000); confirmed == 1+reports+1 && resp.GetCommitted().GetValue() != want {
			t.Errorf("the last Committed = %v, want value %d", resp, want)
		}
	}
	awaitNumbers(true)
	other := start(t, redis.state()).numbersClient(t)
	awaitValue(t, other, 1, 2000)
	awaitValue(t, other, 2, 10+reports)
	onLegacy.close()
	if err := onGRPC.close(); err != nil {
		t.Error(err)
	}
}

package app

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// startGateway runs a standalone gateway and returns its address.
func startGateway(tb testing.TB, flags ...string) string {
	tb.Helper()
	stderr := &syncBuffer{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, append([]string{
			"gateway", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0", "--drain-timeout=5s",
		}, flags...), stderr, stderr)
	}()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("gateway: %v", err)
		}
	})
	for {
		if found := regexp.MustCompile(`msg="serving original protocols" address=(\S+)`).FindStringSubmatch(stderr.String()); found != nil {
			return found[1]
		}
		select {
		case err := <-ended:
			tb.Fatalf("gateway: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestUpstreamKilled kills and restarts the server twice while clients count through a
// standalone gateway. The clients notice nothing but a delay, their last values are in
// the register, and the gateway leaks no goroutine.
func TestUpstreamKilled(t *testing.T) {
	const (
		clients = 200
		pace    = 50 * time.Millisecond  // between two reports of a client
		life    = 700 * time.Millisecond // of a server
		away    = 300 * time.Millisecond // between two servers
	)
	dir, dataDir := t.TempDir(), t.TempDir()
	addr := net.JoinHostPort("127.0.0.1", fixedPort(t, "127.0.0.1"))
	up := func() *process {
		return startProcess(t, serverArgs(t, dir, "--grpc="+addr, "--data-dir="+dataDir)...)
	}
	p := up()
	d := legacyDoor{numbers: startGateway(t, "--upstream=dns:///"+addr)}

	countAll := func(stop <-chan struct{}, least int64) []int64 {
		values := make([]int64, clients)
		var group sync.WaitGroup
		for id := range values {
			group.Go(func() {
				var err error
				if values[id], err = countOn(t.Context(), d, int32(id), pace, least, stop); err != nil {
					t.Errorf("client %d at %d: %v", id, values[id], err)
				}
			})
		}
		group.Wait()
		return values
	}
	stopped := make(chan struct{})
	close(stopped)
	countAll(stopped, 0) // the gateway keeps some goroutines for further clients
	before := runtime.NumGoroutine()

	stop := make(chan struct{})
	counted := make(chan []int64, 1)
	go func() { counted <- countAll(stop, 10) }()
	for range 2 {
		time.Sleep(life)
		p.kill()
		time.Sleep(away)
		p = up()
	}
	time.Sleep(life)
	close(stop)
	values := <-counted

	numbers := numbersv1.NewNumberServiceClient(p.dial(t))
	list := listClients(t, numbers, 1000)
	for end := time.Now().Add(10 * time.Second); slices.ContainsFunc(list, inSession); list = listClients(t, numbers, 1000) {
		if time.Now().After(end) {
			t.Fatal("sessions are still active without their clients")
		}
	}
	if len(list) != clients {
		t.Fatalf("%d clients in the register, want %d", len(list), clients)
	}
	for id, c := range list {
		if c.GetClientId() != int32(id) || c.GetLastValue() != values[id] {
			t.Errorf("client %d counted to %d, the register has %v; want the same value", id, values[id], c)
		}
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+goroutinesOfDial; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, want at most the %d before and %d", runtime.NumGoroutine(), before, goroutinesOfDial)
		}
	}
}

func inSession(c *numbersv1.Client) bool { return c.GetActiveSessions() > 0 }

// goroutinesOfDial bounds the goroutines of a gRPC connection and of a process that the
// test itself has started.
const goroutinesOfDial = 10

// countOn counts to least or further, until stop is closed, with a draw after every fifth
// report. It closes the session and returns the value it counted to.
func countOn(ctx context.Context, d legacyDoor, id int32, pace time.Duration, least int64, stop <-chan struct{}) (value int64, err error) {
	s, value, err := d.count(ctx, id)
	if err != nil {
		return 0, err
	}
	for {
		if value >= least {
			select {
			case <-stop:
				return value, s.close()
			default:
			}
		}
		time.Sleep(pace)
		value++
		if err := s.report(value); err != nil {
			return value, err
		}
		if value%5 == 0 {
			if err := drawOf(ctx, s, "odd"); err != nil {
				return value, err
			}
		}
	}
}

// TestUpstreamLostInTransfer: if the upstream server is lost during a download, the
// client gets a reset, so that half a file does not look whole.
func TestUpstreamLostInTransfer(t *testing.T) {
	r := start(t, "--drain-timeout=0s")
	r.write(t, "big", make([]byte, 200<<20))
	nc := dialOld(t, startGateway(t, "--upstream="+r.grpcListener.Addr().String()))
	nc.send(t, "big")
	if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, nc); err == nil {
		t.Errorf("read %d bytes and EOF, want a reset", n)
	}
}

// TestUpstreamNeverThere: without an upstream server, a new connection is closed after a
// bounded time.
func TestUpstreamNeverThere(t *testing.T) {
	gateway := startGateway(t, "--upstream="+net.JoinHostPort("127.0.0.1", fixedPort(t, "127.0.0.1")))
	for _, request := range []string{"7 ", "file"} {
		nc := dialOld(t, gateway)
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		nc.send(t, request)
		data, err := io.ReadAll(nc)
		if ne := net.Error(nil); len(data) > 0 || errors.As(err, &ne) && ne.Timeout() {
			t.Errorf("request %q: read %q, %v; want a closed connection", request, data, err)
		}
	}
}

// TestPeerThroughGateway: the log has the client's forwarded address if the server trusts
// the gateway, and otherwise the address of the gateway.
func TestPeerThroughGateway(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		door  string
	}{
		{[]string{"--trusted-gateways=127.0.0.0/8"}, "legacy"},
		{[]string{"--trusted-gateways=10.0.0.0/8"}, "grpc"},
		{nil, "grpc"},
	} {
		t.Run(strings.Join(tt.flags, ""), func(t *testing.T) {
			r := start(t, tt.flags...)
			r.write(t, "f", []byte("content"))
			nc := dialOld(t, startGateway(t, "--upstream="+r.grpcListener.Addr().String()))
			nc.send(t, "f ")
			if data, err := io.ReadAll(nc); err != nil || string(data) != "content" {
				t.Fatalf("read %q, %v; want the file", data, err)
			}
			// A client pretends to be a gateway, without a forwarded address.
			ctx := metadata.AppendToOutgoingContext(t.Context(), legacytcp.MetadataDoor, "legacy")
			if _, err := r.numbersClient(t).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
				t.Fatal(err)
			}
			r.stop()
			fromClient := r.logged(t, "msg=GetRequest", "door="+tt.door, "peer=\""+nc.LocalAddr().String())
			if trusted := tt.door == "legacy"; (len(fromClient) == 1) != trusted || len(r.logged(t, "msg=GetRequest", "door="+tt.door)) != 1 {
				t.Errorf("the log has %q, want one line with door=%s; with the client's address: %v", r.logged(t, "msg=GetRequest"), tt.door, trusted)
			}
			if got := r.logged(t, "msg=DrawRequest", "door=grpc"); len(got) != 1 {
				t.Errorf("the log has %q, want one line", got)
			}
		})
	}
}

func TestGatewayMistakes(t *testing.T) {
	for args, want := range map[string]string{
		"":                                                "--upstream",
		"--upstream=x --upstream-cert=x":                  "--upstream-key",
		"--upstream=x --legacy=":                          "--legacy",
		"--upstream=x --drain-timeout=-1s":                "--drain-timeout",
		"--upstream=x --legacy-not-found=":                "--legacy-not-found",
		"--upstream=x a-directory":                        "a-directory",
		"--upstream=x --legacy-connections=0":             "--legacy-connections",
		"--upstream=x --legacy-connections-per-address=0": "--legacy-connections-per-address",
		"--upstream=x --trusted-networks=10.0.0.1":        "--trusted-networks",
		"--upstream=x --report-rate=0":                    "--report-rate",
		"--upstream=x --admin=0.0.0.0:0":                  "--insecure",
		"--upstream=x --upstream-cert=x --upstream-key=x": "--upstream-tls",
	} {
		err := Run(t.Context(), append([]string{"gateway"}, strings.Fields(args)...), io.Discard, io.Discard)
		if err == nil || ExitStatus(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("gateway %s: %v; want exit status %d and an error that names %s", args, err, exitUsage, want)
		}
	}
	err := Run(t.Context(), []string{"gateway", "--upstream=x", "--upstream-ca=/none"}, io.Discard, io.Discard)
	if err == nil || ExitStatus(err) != exitFailed || !strings.Contains(err.Error(), "--upstream-ca") {
		t.Errorf("gateway with a missing CA file: %v; want exit status %d and an error that names --upstream-ca", err, exitFailed)
	}
}

// TestRoundRobin: calls are balanced over the two servers of one name.
func TestRoundRobin(t *testing.T) {
	a, b := start(t), start(t)
	names := manual.NewBuilderWithScheme("test")
	names.InitialState(resolver.State{Addresses: []resolver.Address{
		{Addr: a.grpcListener.Addr().String()}, {Addr: b.grpcListener.Addr().String()},
	}})
	upstream, err := (&gatewayCommand{Upstream: "test:///servers"}).dial(nil, grpc.WithResolvers(names))
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	for range 100 {
		if _, err := numbersv1.NewNumberServiceClient(upstream).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*running{a, b} {
		r.stop()
		if n := len(r.logged(t, "msg=DrawRequest")); n < 20 {
			t.Errorf("one of two servers got %d of 100 calls, want at least 20", n)
		}
	}
}

// TestManyThroughGateway opens more sessions through a trusted gateway than an untrusted
// client may open on one connection.
func TestManyThroughGateway(t *testing.T) {
	r := start(t, "--trusted-gateways=127.0.0.1/32")
	d := legacyDoor{numbers: startGateway(t, "--upstream="+r.grpcListener.Addr().String())}
	sessions := make([]counting, 1500)
	var group errgroup.Group
	group.SetLimit(100)
	for id := range sessions {
		group.Go(func() (err error) {
			sessions[id], _, err = d.count(t.Context(), int32(id))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		if err := drawOf(t.Context(), s, "odd"); err != nil {
			t.Error(err)
		}
		s.close()
	}
}

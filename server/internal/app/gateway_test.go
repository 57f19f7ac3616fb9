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

// startGateway runs a standalone gateway and returns its address for both
// protocols.
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

// TestUpstreamKilled kills the server, twice, under clients that count through a
// standalone gateway, and starts it again. The clients count on and notice nothing but
// a delay; what they reported last is in the register, and the gateway is in the end
// as it was.
func TestUpstreamKilled(t *testing.T) {
	const (
		clients = 200
		pace    = 50 * time.Millisecond // from one report of a client to the next
		life    = 700 * time.Millisecond
		away    = 300 * time.Millisecond
	)
	dir, dataDir := t.TempDir(), t.TempDir()
	up := func(addr string) *process {
		return startProcess(t, "--grpc="+addr, "--legacy=127.0.0.1:0", "--admin=", "--data-dir="+dataDir, dir)
	}
	p := up("127.0.0.1:0")
	d := legacyDoor{numbers: startGateway(t, "--upstream=dns:///"+p.grpc)}

	crowd := func(stop <-chan struct{}) []int64 {
		values := make([]int64, clients)
		var group sync.WaitGroup
		for id := range values {
			group.Go(func() {
				var err error
				if values[id], err = countOn(t.Context(), d, int32(id), pace, stop); err != nil {
					t.Errorf("client %d at %d: %v", id, values[id], err)
				}
			})
		}
		group.Wait()
		return values
	}
	stopped := make(chan struct{})
	close(stopped)
	crowd(stopped) // the gateway keeps some goroutines for clients to come
	before := runtime.NumGoroutine()

	stop := make(chan struct{})
	var killing sync.WaitGroup
	killing.Go(func() {
		defer close(stop)
		for range 2 {
			time.Sleep(life)
			p.kill()
			time.Sleep(away)
			p = up(p.grpc)
		}
		time.Sleep(life)
	})
	values := crowd(stop)
	killing.Wait()

	numbers := numbersv1.NewNumberServiceClient(p.dial(t))
	list := listClients(t, numbers, 1000)
	for end := time.Now().Add(10 * time.Second); slices.ContainsFunc(list, inSession); list = listClients(t, numbers, 1000) {
		if time.Now().After(end) {
			t.Fatal("sessions go on without their clients")
		}
	}
	if len(list) != clients {
		t.Fatalf("%d clients in the register, want %d", len(list), clients)
	}
	for id, c := range list {
		if c.GetClientId() != int32(id) || c.GetLastValue() != values[id] || values[id] < 10 {
			t.Errorf("client %d counted to %d, the register has %v", id, values[id], c)
		}
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+goroutinesOfDial; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func inSession(c *numbersv1.Client) bool { return c.GetActiveSessions() > 0 }

// goroutinesOfDial is how many goroutines a test's own gRPC connection and process
// have at most.
const goroutinesOfDial = 10

// countOn counts until it is told to stop, with a draw for every fifth report, hangs
// up, and returns what it counted to.
func countOn(ctx context.Context, d legacyDoor, id int32, pace time.Duration, stop <-chan struct{}) (value int64, err error) {
	s, value, err := d.count(ctx, id)
	if err != nil {
		return 0, err
	}
	for {
		select {
		case <-stop:
			return value, s.close()
		case <-time.After(pace):
		}
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

// TestUpstreamLostInTransfer: half a file must not look whole.
func TestUpstreamLostInTransfer(t *testing.T) {
	r := start(t, "--drain-timeout=0s")
	r.write(t, "big", make([]byte, 200<<20))
	nc, err := net.Dial("tcp", startGateway(t, "--upstream="+r.grpcListener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("big")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, nc); err == nil {
		t.Errorf("%d bytes and a clean end, want a reset", n)
	}
}

// TestUpstreamNeverThere: a new connection waits a bounded time and is closed.
func TestUpstreamNeverThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	gateway := startGateway(t, "--upstream="+l.Addr().String())
	for _, request := range []string{"7 ", "file"} {
		nc, err := net.Dial("tcp", gateway)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := nc.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(nc)
		if ne := net.Error(nil); len(data) > 0 || errors.As(err, &ne) && ne.Timeout() {
			t.Errorf("%q: %q, %v; want the end", request, data, err)
		}
		nc.Close()
	}
}

// TestPeerThroughGateway: the log has the old client's address if the server trusts
// the gateway, and else the gateway's.
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
			nc, err := net.Dial("tcp", startGateway(t, "--upstream="+r.grpcListener.Addr().String()))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := nc.Write([]byte("f ")); err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(nc); err != nil || string(data) != "content" {
				t.Fatalf("%q, %v", data, err)
			}
			// A client that is no gateway says that it were one.
			ctx := metadata.AppendToOutgoingContext(t.Context(), legacytcp.MetadataDoor, "legacy")
			if _, err := r.numbersClient(t).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
				t.Fatal(err)
			}
			r.stop()
			fromClient := r.logged(t, "msg=GetRequest", "door="+tt.door, "peer=\""+nc.LocalAddr().String())
			if trusted := tt.door == "legacy"; (len(fromClient) == 1) != trusted || len(r.logged(t, "msg=GetRequest", "door="+tt.door)) != 1 {
				t.Errorf("logged %q", r.logged(t, "msg=GetRequest"))
			}
			if got := r.logged(t, "msg=DrawRequest", "door=grpc"); len(got) != 1 {
				t.Errorf("logged %q", got)
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
			t.Errorf("gateway %s: %v; want exit status 2 and an error that names %s", args, err, want)
		}
	}
	err := Run(t.Context(), []string{"gateway", "--upstream=x", "--upstream-ca=/none"}, io.Discard, io.Discard)
	if err == nil || ExitStatus(err) != exitFailed || !strings.Contains(err.Error(), "--upstream-ca") {
		t.Errorf("no such file of authorities: %v", err)
	}
}

// TestRoundRobin: two servers behind one name share the calls.
func TestRoundRobin(t *testing.T) {
	a, b := start(t), start(t)
	names := manual.NewBuilderWithScheme("test")
	names.InitialState(resolver.State{Addresses: []resolver.Address{
		{Addr: a.grpcListener.Addr().String()}, {Addr: b.grpcListener.Addr().String()},
	}})
	upstream, err := (&gatewayCommand{Upstream: "test:///servers"}).dial(grpc.WithResolvers(names))
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
			t.Errorf("%d of 100 calls went to one of two servers", n)
		}
	}
}

// TestManyThroughGateway has more sessions open than a stranger may have on one
// connection.
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

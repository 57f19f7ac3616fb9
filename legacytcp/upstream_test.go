package legacytcp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// upstream is a gRPC server on a port that can be killed and restarted.
type upstream struct {
	addr   string
	server *grpc.Server
}

// start starts the server with services n and f, at its previous address if it has one.
func (u *upstream) start(t *testing.T, n *stubNumbers, f *stubFiles) {
	t.Helper()
	addr := u.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	u.addr = l.Addr().String()
	u.server = grpc.NewServer()
	numbersv1.RegisterNumberServiceServer(u.server, n)
	filesv1.RegisterFileServiceServer(u.server, f)
	go u.server.Serve(l)
	t.Cleanup(u.server.Stop)
}

// clients returns clients of the server, which reconnect quickly.
func (u *upstream) clients(t *testing.T) (numbersv1.NumberServiceClient, filesv1.FileServiceClient) {
	t.Helper()
	fast := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond}
	cc, err := grpc.NewClient(u.addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: fast, MinConnectTimeout: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return numbersv1.NewNumberServiceClient(cc), filesv1.NewFileServiceClient(cc)
}

// newRemoteDoor returns a gateway in front of a gRPC server.
func newRemoteDoor(t *testing.T, limits Limits) (*door, *upstream) {
	t.Helper()
	numbers, files := newStubNumbers(), newStubFiles()
	u := &upstream{}
	u.start(t, numbers, files)
	cfg := Config{Limits: limits}
	cfg.Numbers, cfg.Files = u.clients(t)
	d := newDoor(t, Both, cfg)
	d.Numbers, d.Files = numbers, files
	return d, u
}

// TestUpstreamRestart kills the server while clients count, and starts another one with the
// same register.
func TestUpstreamRestart(t *testing.T) {
	const clients = 20
	d, u := newRemoteDoor(t, Limits{})
	peers := make([]*peer, clients)
	for i := range peers {
		peers[i] = d.dial(t)
		peers[i].send(t, fmt.Sprintf("%d %d odd ", i, 1000+i))
		peers[i].receive(t, "0 ")
		if got := peers[i].number(t); got < 0 {
			t.Fatalf("drew %d", got)
		}
	}
	for round := range 2 {
		u.server.Stop()
		if round == 1 { // these values are durable: they must not be repeated
			for i := 1; i < clients; i += 4 {
				d.Numbers.store.write(int32(i), 0, &numbersv1.Report{Value: 1})
			}
		}
		for i, p := range peers {
			if i%2 == 0 {
				p.send(t, fmt.Sprintf("%d ", 2000+1000*round+i))
			}
			p.send(t, "even ")
		}
		fresh := newStubOver(d.Numbers.store)
		u.start(t, fresh, d.Files)
		for i, p := range peers {
			if got := p.number(t); got < 0 {
				t.Fatalf("drew %d", got)
			}
			want := int64(1000 + i)
			if i%2 == 0 {
				want = int64(2000 + 1000*round + i)
			}
			if i%4 == 1 && round == 1 {
				want = 1 // from another connection
			}
			if got := fresh.value(int32(i)); got != want {
				t.Errorf("round %d: value of client %d after the restart = %d, want %d", round, i, got, want)
			}
		}
	}
	d.Counts.until(t, func() error {
		if len(d.Counts.closed) > 0 {
			return fmt.Errorf("connections were closed: %v", d.Counts.closed)
		}
		return nil
	})
}

// number reads one reply.
func (p *peer) number(t *testing.T) (n int) {
	t.Helper()
	p.SetReadDeadline(time.Now().Add(patience))
	if _, err := fmt.Fscan(p, &n); err != nil { // reads the sentinel too
		t.Fatal(err)
	}
	return n
}

// TestUpstreamLosesReport kills the server before it has committed a client's last report.
// The client has closed its connection when the next server starts.
func TestUpstreamLosesReport(t *testing.T) {
	d, u := newRemoteDoor(t, Limits{})
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	spy := d.spyOf(t, p)
	u.server.Stop()
	p.send(t, "4711 ")
	if err := spy.awaitRead(len("7 4711 ")); err != nil {
		t.Fatal(err)
	}
	p.Close()
	fresh := newStubNumbers()
	u.start(t, fresh, d.Files)
	d.Counts.await(t, ReasonClient, 1)
	if got := fresh.value(7); got != 4711 {
		t.Errorf("value = %d, want 4711", got)
	}
}

// TestUpstreamAway has a server that does not come back.
func TestUpstreamAway(t *testing.T) {
	limits := Limits{UpstreamWait: 150 * time.Millisecond, UpstreamRecovery: 300 * time.Millisecond}
	d, u := newRemoteDoor(t, limits)
	counting := d.dial(t)
	counting.send(t, "7 5 ")
	counting.receive(t, "0 ")
	u.server.Stop()

	began := time.Now()
	counting.send(t, "odd ")
	fresh, file, list := d.dial(t), d.dial(t), d.dial(t)
	fresh.send(t, "8 ")
	file.send(t, "file")
	list.send(t, "list")
	fresh.receiveEnd(t, false)
	file.receiveEnd(t, true)
	list.receiveEnd(t, true)
	counting.receiveEnd(t, true) // its report may be lost
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the connections were closed after %v, want at most 5s", took)
	}
	d.Counts.await(t, ReasonUpstream, 4)
}

// TestUpstreamComesBack has services whose first calls end in UNAVAILABLE.
func TestUpstreamComesBack(t *testing.T) {
	d := newDoor(t, Both, Config{})
	d.Files.add("file", stubFile{data: []byte("content")})
	var numbers, files atomic.Int32
	fail := func(n *atomic.Int32) error {
		if n.Add(1)%4 != 0 {
			return status.Error(codes.Unavailable, "not yet")
		}
		return nil
	}
	d.Numbers.before = func(context.Context, *numbersv1.CountRequest) error { return fail(&numbers) }
	d.Files.before = func(context.Context) error { return fail(&files) }

	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	for _, req := range []string{"file", "list "} {
		p := d.dial(t)
		p.send(t, req)
		p.receive(t, map[string]string{"file": "content", "list ": "file "}[req])
		p.receiveEnd(t, false)
	}
}

// TestUpstreamFailsDraws has a service whose first draws end the stream.
func TestUpstreamFailsDraws(t *testing.T) {
	d := newDoor(t, Both, Config{})
	var draws atomic.Int32
	d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() != nil && draws.Add(1) <= 3 {
			return status.Error(codes.Unavailable, "not yet")
		}
		return nil
	}
	p := d.dial(t)
	p.send(t, "3748 5 odd 6 even ")
	p.receive(t, "0 79 90 ")
	if got := draws.Load(); got != 5 {
		t.Errorf("%d draws, want 5", got)
	}
}

// TestUpstreamErrorsAreFinal has a service that fails with INTERNAL.
func TestUpstreamErrorsAreFinal(t *testing.T) {
	d := newDoor(t, Both, Config{})
	d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw().GetParity() == numbersv1.Parity_PARITY_ODD {
			return status.Error(codes.Internal, "internal error")
		}
		return nil
	}
	p := d.dial(t)
	p.send(t, "3748 even ")
	p.receive(t, "0 79 ")
	p.send(t, "even odd even ")
	p.receive(t, "90 ") // the answer before the failure is sent
	p.receiveEnd(t, false)
	d.Counts.await(t, ReasonUpstream, 1)
}

// TestUpstreamHangs has a service that never answers.
func TestUpstreamHangs(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: 100 * time.Millisecond}})
	d.Numbers.before = func(ctx context.Context, _ *numbersv1.CountRequest) error { <-ctx.Done(); return ctx.Err() }
	d.Files.before = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for req, reset := range map[string]bool{"3748 ": false, "file": true, "list ": true} {
		p := d.dial(t)
		p.send(t, req)
		p.receiveEnd(t, reset)
	}
	d.Counts.await(t, ReasonUpstream, 3)
}

// TestUpstreamHangsLater has a service that hangs after the registration.
func TestUpstreamHangsLater(t *testing.T) {
	d := newDoor(t, Both, Config{Limits: Limits{UpstreamRecovery: 100 * time.Millisecond}})
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetRegistration() != nil {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	for _, test := range []struct {
		send  string
		reset bool // the last value may be lost
	}{{"odd ", false}, {"12 ", true}, {"12 odd ", true}} {
		p := d.dial(t)
		p.send(t, "3748 ")
		p.receive(t, "0 ")
		p.send(t, test.send)
		p.CloseWrite()
		p.receiveEnd(t, test.reset)
	}
	d.Counts.await(t, ReasonUpstream, 3)
	if got := strings.Count(d.Log.String(), "the last value may be lost"); got != 2 {
		t.Errorf("%d sessions logged a lost value, want 2:\n%s", got, d.Log)
	}
}

// TestUpstreamBreaksTransfer kills the server while it sends a file.
func TestUpstreamBreaksTransfer(t *testing.T) {
	d, u := newRemoteDoor(t, Limits{})
	d.Files.add("big", stubFile{data: make([]byte, 64<<20)})
	p := d.dial(t)
	p.send(t, "big")
	p.receive(t, strings.Repeat("\x00", 1<<20))
	u.server.Stop()
	buf := make([]byte, 1<<20)
	for {
		_, err := p.Read(buf)
		if err == nil {
			continue
		}
		if !isReset(err) {
			t.Errorf("the transfer ended in %v, want a reset", err)
		}
		break
	}
	d.Counts.await(t, ReasonUpstream, 1)
}

// TestNameNotUTF8 requests a name that is not valid in a protobuf string.
func TestNameNotUTF8(t *testing.T) {
	d, _ := newRemoteDoor(t, Limits{})
	p := d.dial(t)
	p.send(t, "\xff")
	p.receive(t, DefaultNotFound)
	p.receiveEnd(t, false)
}

// TestMetadata checks the metadata of the gateway's calls.
func TestMetadata(t *testing.T) {
	d, _ := newRemoteDoor(t, Limits{})
	p := d.dial(t)
	p.send(t, "3748 ")
	p.receive(t, "0 ")
	d.Numbers.mu.Lock()
	md := d.Numbers.md
	d.Numbers.mu.Unlock()
	if got := md.Get(MetadataDoor); len(got) != 1 || got[0] != DoorName {
		t.Errorf("%s = %q, want %q", MetadataDoor, got, DoorName)
	}
	if got := md.Get(MetadataPeer); len(got) != 1 || got[0] != p.LocalAddr().String() {
		t.Errorf("%s = %q, want %s", MetadataPeer, got, p.LocalAddr())
	}
}

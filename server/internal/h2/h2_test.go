package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2/h2test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// service sends files of as many bytes as the offset says: in chunks, as the windows
// allow, or with a limit in messages of that size, which it does not reserve for.
type service struct {
	filesv1.UnimplementedFileServiceServer
	listed int // bytes of the name in a List
}

func (s *service) Get(req *filesv1.GetRequest, stream grpc.ServerStreamingServer[filesv1.GetResponse]) error {
	w := flow.FromContext(stream.Context())
	defer w.Close()
	for left := req.GetOffset(); left > 0; {
		n := min(left, req.GetLimit())
		if req.GetLimit() == 0 {
			var err error
			if n, err = w.Reserve(stream.Context(), min(left, 1<<20)); err != nil {
				return err
			}
			if n > 100 && n&1 == 0 { // a short read
				w.Return(10)
				n -= 10
			}
		}
		left -= n
		if err := stream.Send(&filesv1.GetResponse{Data: make([]byte, n)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *service) List(context.Context, *filesv1.ListRequest) (*filesv1.ListResponse, error) {
	return &filesv1.ListResponse{NextPageToken: string(make([]byte, s.listed))}, nil
}

// fixture is a server.
type fixture struct {
	guard   *Guard
	account *flow.Account
	address string

	mu    sync.Mutex
	conns []*Conn
	cuts  map[Reason]int
}

func newFixture(t *testing.T, timeout time.Duration, s *service) *fixture {
	t.Helper()
	return newFixtureOf(t, 1<<20, timeout, s, serverOptions{})
}

// smallBuffers is a listener whose connections have small buffers in the kernel.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		err = nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return nc, err
}

// serverOptions are what a fixture's server has besides.
type serverOptions struct {
	security credentials.TransportCredentials // nil: none
	stream   grpc.StreamServerInterceptor     // nil: none
}

// newFixtureOf is newFixture with an account of so many bytes.
func newFixtureOf(t *testing.T, account int64, timeout time.Duration, s *service, o serverOptions) *fixture {
	t.Helper()
	f := &fixture{account: flow.NewAccount(account), cuts: map[Reason]int{}}
	f.guard = New(Options{Account: f.account, Timeout: timeout, MaxResets: 100, Count: func(r Reason) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.cuts[r]++
	}})
	server := grpc.NewServer(
		grpc.Creds(f.guard.Credentials(o.security)), grpc.ReadBufferSize(0), grpc.InTapHandle(f.guard.Tap),
		grpc.MaxConcurrentStreams(100),
		grpc.UnaryInterceptor(f.guard.Unary), grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			c := streamOf(ss.Context()).c
			f.mu.Lock()
			f.conns = append(f.conns, c)
			f.mu.Unlock()
			if o.stream != nil {
				guarded := next
				next = func(srv any, ss grpc.ServerStream) error { return o.stream(srv, ss, info, guarded) }
			}
			return f.guard.Stream(srv, ss, info, next)
		}))
	filesv1.RegisterFileServiceServer(server, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	served := make(chan error)
	go func() { served <- server.Serve(smallBuffers{l}) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if held := f.account.Held(); held != 0 {
			t.Errorf("in the end %d bytes are charged", held)
		}
	})
	return f
}

func (f *fixture) cut(why Reason) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cuts[why]
}

func (f *fixture) peer(t *testing.T, window uint32) *h2test.Peer {
	t.Helper()
	p, err := h2test.Dial(f.address, window)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Read()
	return p
}

func (f *fixture) client(t *testing.T) filesv1.FileServiceClient {
	t.Helper()
	cc, err := grpc.NewClient(f.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return filesv1.NewFileServiceClient(cc)
}

// idle checks that the connections have given back all that they had.
func (f *fixture) idle(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.mu.Lock()
		for end := time.Now().Add(patience); len(c.streams) > 0 && time.Now().Before(end); {
			c.mu.Unlock()
			time.Sleep(time.Millisecond)
			c.mu.Lock()
		}
		if c.reserved != 0 || c.held != 0 || c.charged != 0 || len(c.streams) != 0 || len(c.parked) != 0 {
			t.Errorf("idle connection: %d bytes reserved, %d held, %d charged; %d streams, %d parked",
				c.reserved, c.held, c.charged, len(c.streams), len(c.parked))
		}
		c.mu.Unlock()
	}
}

const getMethod, listMethod = filesv1.FileService_Get_FullMethodName, filesv1.FileService_List_FullMethodName

func get(size, limit int64) *filesv1.GetRequest {
	return &filesv1.GetRequest{Offset: size, Limit: limit}
}

// TestSilentPeer asks for more than the window, and grants nothing: the calls end with
// their status, and the connection goes on.
func TestSilentPeer(t *testing.T) {
	for name, request := range map[string]*filesv1.GetRequest{"chunks": get(1<<20, 0), "messages": get(1<<20, 50)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, 300*time.Millisecond, &service{listed: 10})
			p := f.peer(t, 1000)
			var ids []uint32
			for range 20 {
				id, err := p.Call(getMethod, request, false)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			for _, id := range ids {
				r, err := p.Await(id, patience, h2test.Ended)
				if err != nil || r.Reset || codes.Code(r.Code) != codes.ResourceExhausted || r.Bytes > 1000 || r.Fields["grpc-status-details-bin"] == "" {
					t.Fatalf("call %d = %+v, %v; want ResourceExhausted with details, and up to 1000 bytes", id, r, err)
				}
			}
			id, err := p.Call(listMethod, &filesv1.ListRequest{}, false)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes == 0 {
				t.Errorf("another call on the connection = %+v, %v", r, err)
			}
			f.idle(t)
		})
	}
}

// TestNoWindow makes calls whose replies there is no window for at all.
func TestNoWindow(t *testing.T) {
	f := newFixture(t, 200*time.Millisecond, &service{listed: 10})
	p := f.peer(t, 0)
	for _, call := range []struct {
		method  string
		request *filesv1.GetRequest
	}{{getMethod, get(10, 0)}, {getMethod, get(10, 10)}, {listMethod, nil}} {
		id, err := p.Call(call.method, call.request, false)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.Await(id, patience, h2test.Ended); err != nil || codes.Code(r.Code) != codes.ResourceExhausted || r.Bytes != 0 {
			t.Errorf("%s = %+v, %v; want ResourceExhausted and nothing else", call.method, r, err)
		}
	}
	f.idle(t)
}

// TestTinyWindow grants a few bytes at a time: everything comes, for as long as the
// peer goes on.
func TestTinyWindow(t *testing.T) {
	f := newFixture(t, 10*time.Second, &service{})
	for _, limit := range []int64{0, 100} {
		p := f.peer(t, 1)
		id, err := p.Call(getMethod, get(1000, limit), false)
		if err != nil {
			t.Fatal(err)
		}
		for got, granted := 0, 1; ; granted += 7 {
			r, err := p.Await(id, patience, func(r h2test.Result) bool { return r.Bytes >= granted || r.Ended })
			if err != nil || r.Bytes > granted {
				t.Fatalf("with %d bytes granted: %+v, %v", granted, r, err)
			}
			if r.Ended {
				if got = r.Bytes; r.Code != 0 || got < 1000 {
					t.Fatalf("in the end: %+v", r)
				}
				break
			}
			if err := p.Grant(id, 7); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.idle(t)
}

// TestSettingsOpenWindow waits for window that comes with SETTINGS, not WINDOW_UPDATE.
func TestSettingsOpenWindow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 0)
	id, err := p.Call(getMethod, get(5000, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Await(id, 50*time.Millisecond, func(r h2test.Result) bool { return r.Bytes > 0 || r.Ended }); err == nil {
		t.Fatal("bytes without window")
	}
	if err := p.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 60_000}); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 {
		t.Errorf("with window: %+v, %v", r, err)
	}
}

// TestMessageBeyondWindow has a reply that is larger than its window: it is sent as far
// as that goes, and if no more is granted the connection is closed, for gRPC has no
// other way to let go of it.
func TestMessageBeyondWindow(t *testing.T) {
	f := newFixture(t, 200*time.Millisecond, &service{listed: 5000})
	for _, grants := range []bool{true, false} {
		p := f.peer(t, 1000)
		id, err := p.Call(listMethod, &filesv1.ListRequest{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Await(id, patience, func(r h2test.Result) bool { return r.Bytes == 1000 }); err != nil {
			t.Fatal(err)
		}
		if grants {
			p.Grant(id, 10_000)
			if r, err := p.Await(id, patience, h2test.Ended); err != nil || r.Code != 0 || r.Bytes < 5000 {
				t.Errorf("with window: %+v, %v", r, err)
			}
			continue
		}
		if err := p.AwaitEnd(patience); err == nil || f.cut(ReasonStalled) != 1 {
			t.Errorf("without window: %v, %d cut", err, f.cut(ReasonStalled))
		}
	}
}

// TestConnectionWindow has many calls share a connection's window: they all end, and
// none gets what it has no window for.
func TestConnectionWindow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 1<<20)
	const calls, size = 30, 20_000
	total := 0
	for i := range calls {
		if _, err := p.Call(getMethod, get(size, int64(i%3)*900), false); err != nil {
			t.Fatal(err)
		}
	}
	granted := defaultWindow
	for end := time.Now().Add(patience); ; {
		ended := 0
		total = 0
		for id, r := range p.Results() {
			total += r.Bytes
			if r.Ended {
				if ended++; r.Code != 0 {
					t.Fatalf("call %d: %+v", id, r)
				}
			}
		}
		if total > granted {
			t.Fatalf("%d bytes with window for %d", total, granted)
		}
		if ended == calls {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d calls ended, %d bytes of %d granted", ended, calls, total, granted)
		}
		if granted-total < 1000 {
			granted += 30_000
			p.Grant(0, 30_000)
		}
		time.Sleep(time.Millisecond)
	}
	f.idle(t)
}

// TestGzip sends what becomes a thousandth on the wire: what was reserved for it is
// given back.
func TestGzip(t *testing.T) {
	f := newFixture(t, 2*time.Second, &service{})
	client := f.client(t)
	for _, limit := range []int64{0, 30_000} {
		stream, err := client.Get(t.Context(), get(4<<20, limit), grpc.UseCompressor(gzip.Name))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := drain(stream); n != 4<<20 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	f.idle(t)
}

func drain(stream grpc.ServerStreamingClient[filesv1.GetResponse]) (n int, err error) {
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		n += len(resp.GetData())
	}
}

// TestManyReaders has readers of all sorts on a few connections: nobody is forgotten.
func TestManyReaders(t *testing.T) {
	f := newFixture(t, patience, &service{listed: 60_000})
	var group sync.WaitGroup
	var finished atomic.Int64
	for range 3 {
		client := f.client(t)
		for i := range 40 {
			group.Go(func() {
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					size := rand.Int64N(500_000)
					stream, err := client.Get(ctx, get(size, int64(i%2)*rand.Int64N(50_000)))
					if err != nil {
						t.Error(err)
					} else if i%5 == 0 { // gives up
						stream.Recv()
						cancel()
					} else if n, err := drain(stream); err != nil || int64(n) != size {
						t.Errorf("%d of %d bytes, %v", n, size, err)
					}
					if _, err := client.List(t.Context(), &filesv1.ListRequest{}); err != nil {
						t.Error(err)
					}
					cancel()
					finished.Add(1)
				}
			})
		}
	}
	group.Wait()
	f.idle(t)
}

// TestMemory has a peer with any window that reads nothing from its socket: it holds
// its share, whatever it asks for.
func TestMemory(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p, err := h2test.Dial(f.address, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Grant(0, 1<<30)
	for range 50 {
		if _, err := p.Call(getMethod, get(1<<30, 0), false); err != nil {
			t.Fatal(err)
		}
	}
	// One connection gets a fifth of the account.
	most := f.account.Limit() / 5
	for end := time.Now().Add(patience); f.account.Held() < most/2 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for range 50 {
		if held := f.account.Held(); held > most {
			t.Fatalf("%d bytes held, want %d", held, most)
		}
		time.Sleep(2 * time.Millisecond)
	}
	// Who reads is not held up.
	stream, err := f.client(t).Get(t.Context(), get(10<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := drain(stream); n != 10<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSlowSocket has so many calls on a connection that is read slowly that each of them
// waits longer for its turn than a peer may take nothing. The peer takes what it can.
func TestSlowSocket(t *testing.T) {
	const timeout, calls = 2 * time.Second, 90
	f := newFixtureOf(t, 64<<20, timeout, &service{}, serverOptions{})
	nc, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	p, err := h2test.New(nc, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Grant(0, 1<<30)
	var ids []uint32
	for range calls {
		id, err := p.Call(getMethod, get(1<<30, 0), false)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	// Each call waits for window for its second chunk while its first is in the queue, of
	// which it is the turn of 16 KiB every 3.6 s.
	p.Pace(16<<10, 40*time.Millisecond)
	p.Read()
	time.Sleep(3 * timeout)
	if f.cut(ReasonStalled) > 0 {
		t.Error("the connection was cut")
	}
	got := 0
	for _, id := range ids {
		r := p.Results()[id]
		got += r.Bytes
		if r.Ended && r.Code != 0 {
			t.Errorf("call %d: %+v", id, r)
		}
	}
	t.Logf("%d bytes", got)
}

// TestResets resets calls as fast as it opens them.
func TestResets(t *testing.T) {
	f := newFixture(t, patience, &service{})
	reset := func(p *h2test.Peer, n int) (err error) {
		for range n {
			var id uint32
			if id, err = p.Call(getMethod, get(1<<20, 0), false); err != nil {
				return err
			}
			if err = p.Reset(id); err != nil {
				return err
			}
		}
		return nil
	}
	honest := f.peer(t, 100)
	if err := reset(honest, 100); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the next second
	if err := reset(honest, 100); err != nil {
		t.Fatal(err)
	}
	if err := honest.AwaitEnd(50 * time.Millisecond); err != nil {
		t.Errorf("100 resets in a second: %v", err)
	}
	hostile := f.peer(t, 100)
	if err := reset(hostile, 10_000); err == nil && hostile.AwaitEnd(patience) == nil {
		t.Error("10,000 resets, and still connected")
	}
	if n := f.cut(ReasonResets); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
}

// TestFaults makes the server reset calls as fast as it opens them.
func TestFaults(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	for range 10_000 {
		id, err := p.Call(getMethod, get(1<<20, 0), false)
		if err == nil {
			// After the end of the request: STREAM_CLOSED.
			err = p.Raw(http2.FrameData, 0, id, []byte("more"))
		}
		if err != nil {
			break
		}
	}
	if p.AwaitEnd(patience) == nil || f.cut(ReasonResets) != 1 {
		t.Errorf("10,000 faults: %d connections cut, want 1", f.cut(ReasonResets))
	}
}

// TestWindowOverflow grants more than there can be.
func TestWindowOverflow(t *testing.T) {
	f := newFixture(t, patience, &service{})
	p := f.peer(t, 100)
	p.Grant(0, maxWindow)
	if p.AwaitEnd(patience) == nil {
		t.Error("a window of more than 2^31-1 was taken")
	}
}

// pipe is a connection that reads in pieces.
type pipe struct {
	net.Conn
	in    *bytes.Reader
	piece func() int
}

func (p *pipe) Read(b []byte) (int, error) { return p.in.Read(b[:min(len(b), p.piece())]) }
func (p *pipe) Write(b []byte) (int, error) {
	return len(b), nil
}
func (p *pipe) Close() error { return nil }

// TestSplits has frames come and go in pieces of all sizes: the windows are the same.
func TestSplits(t *testing.T) {
	var in, out bytes.Buffer
	io.WriteString(&in, http2.ClientPreface)
	fr := http2.NewFramer(&in, nil)
	fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 300), EndHeaders: true})
	fr.WriteWindowUpdate(1, 70)
	fr.WritePing(false, [8]byte{})
	fr.WriteWindowUpdate(0, 500)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: make([]byte, 10), EndHeaders: true})
	fr.WriteData(1, false, make([]byte, 20_000))
	fr.WriteSettingsAck()
	fr.WriteRSTStream(3, http2.ErrCodeCancel)
	fr = http2.NewFramer(&out, nil)
	message := append([]byte{0, 0, 0, 0, 100}, make([]byte, 100)...)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 30), EndHeaders: true})
	fr.WriteData(1, false, message[:3])
	fr.WriteData(1, false, append(message[3:], 1, 0, 0, 0, 0, 0)) // an empty message, and a prefix's first byte
	fr.WriteData(3, false, make([]byte, 50))

	for size := range 40 {
		piece := func() int { return size }
		if size == 0 {
			piece = func() int { return 1 + rand.IntN(30_000) }
		}
		c := newConn(&pipe{in: bytes.NewReader(in.Bytes()), piece: piece}, New(Options{Account: flow.NewAccount(0), MaxResets: 10, Timeout: time.Hour}))
		var first, third *Stream
		for b := make([]byte, 32<<10); ; {
			n, err := c.Read(b[:1+rand.IntN(len(b))])
			if err != nil {
				break
			}
			// grpc-go calls Tap before it reads more.
			if n > 0 && c.in.last == 1 && first == nil {
				first = c.open()
				first.queue = append(first.queue, queued(105), queued(5), queued(400))
				first.reserved, c.reserved = 510, 510
				c.hold(first.reserved)
			} else if c.in.last == 3 && third == nil {
				third = c.open()
			}
		}
		for b := out.Bytes(); len(b) > 0; {
			n := min(piece(), len(b))
			c.Write(b[:n])
			b = b[n:]
		}
		own := c.initial + first.granted
		if own != 1000+70-111 || c.window != defaultWindow+500-161 || first.reserved != 399 || c.reserved != 399 || c.held != 399 || len(first.queue) != 1 || !third.gone || first.gone {
			t.Fatalf("pieces of %d: stream's window %d, connection's %d, reserved %d and %d, held %d, %d queued, gone %t and %t",
				size, own, c.window, first.reserved, c.reserved, c.held, len(first.queue), first.gone, third.gone)
		}
		c.Close()
		if c.held != 0 || c.reserved != 0 {
			t.Fatalf("closed, and %d bytes reserved, %d held", c.reserved, c.held)
		}
	}
}

func queued(n int64) message { return message{n, n} }

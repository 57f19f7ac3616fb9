package h2

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2/h2test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// service sends as many bytes as the request's offset: in chunks as its window allows, or, if
// the request has a limit, in messages of that size without a reservation.
type service struct {
	filesv1.UnimplementedFileServiceServer
	listed int // the size of a reply to List in bytes
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

// fixture is a server with a Guard.
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

// smallBuffers is a listener whose connections have small kernel buffers.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		err = nc.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return nc, err
}

// serverOptions are further options of a fixture's server.
type serverOptions struct {
	security credentials.TransportCredentials // nil: none
	stream   grpc.StreamServerInterceptor     // nil: none
	request  time.Duration                    // the Guard's RequestTimeout; 0: patience
}

// newFixtureOf is newFixture with further options and an account of that many bytes.
func newFixtureOf(t *testing.T, account int64, timeout time.Duration, s *service, o serverOptions) *fixture {
	t.Helper()
	f := &fixture{account: flow.NewAccount(account), cuts: map[Reason]int{}}
	f.guard = New(Options{Account: f.account, Requests: f.account, Timeout: timeout, RequestTimeout: cmp.Or(o.request, patience), MaxResets: 100, Count: func(r Reason) {
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
			t.Errorf("%d bytes are charged at the end, want 0", held)
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

// window returns the window of a stream of the first connection.
func (f *fixture) window(id uint32) int64 {
	f.mu.Lock()
	c := f.conns[0]
	f.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id].window()
}

// idle checks that the connections hold nothing when their calls have ended.
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
		if c.reserved != 0 || c.held != 0 || c.charged != 0 || c.unread != 0 || c.unreadCharged != 0 || len(c.streams) != 0 || len(c.parked) != 0 {
			t.Errorf("idle connection: %d bytes reserved, %d held, %d charged, %d unread, %d charged for these; %d streams, %d parked",
				c.reserved, c.held, c.charged, c.unread, c.unreadCharged, len(c.streams), len(c.parked))
		}
		c.mu.Unlock()
	}
}

const getMethod, listMethod = filesv1.FileService_Get_FullMethodName, filesv1.FileService_List_FullMethodName

func get(size, limit int64) *filesv1.GetRequest {
	return &filesv1.GetRequest{Offset: size, Limit: limit}
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

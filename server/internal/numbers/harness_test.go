package numbers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror/apierrortest"
	"example.com/parity/server/internal/inproc/inproctest"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// newService returns a service over an empty register in memory.
func newService(o Options) (*Service, *register.Memory) {
	store := register.NewMemory()
	o.MaxClientID = 10000
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return New(store, o), store
}

// serveGRPC serves the service on loopback and returns a client.
func serveGRPC(t *testing.T, s *Service) numbersv1.NumberServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	numbersv1.RegisterNumberServiceServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		s.Wait()
	})
	return numbersv1.NewNumberServiceClient(cc)
}

// inProcess returns a client in this process. Handlers run under the checker.
func inProcess(t *testing.T, s *Service) numbersv1.NumberServiceClient {
	t.Helper()
	from := &origin.Resolver{}
	channel := inproctest.NewChannel(t, []grpc.UnaryServerInterceptor{from.Unary}, []grpc.StreamServerInterceptor{from.Stream})
	numbersv1.RegisterNumberServiceServer(channel, s)
	return numbersv1.NewNumberServiceClient(channel)
}

// stub is the server side of a full-duplex stream. The test is its client.
type stub struct {
	grpc.ServerStream
	ctx      context.Context
	cancel   context.CancelFunc // cancels the call as its client would
	requests chan *numbersv1.CountRequest
	send     func(*numbersv1.CountResponse) error
	ended    chan error    // receives the result of Count
	headers  chan struct{} // closed when the headers are sent
}

// count begins a call of Count. send is called for each response and may be nil.
func (s *Service) count(t *testing.T, send func(*numbersv1.CountResponse) error) *stub {
	st := &stub{requests: make(chan *numbersv1.CountRequest), send: send, ended: make(chan error, 1), headers: make(chan struct{})}
	st.ctx, st.cancel = context.WithCancel(t.Context())
	go func() {
		defer st.cancel() // as gRPC does when the handler returns
		st.ended <- s.Count(st)
	}()
	return st
}

// ask sends requests until the call ends.
func (st *stub) ask(reqs ...*numbersv1.CountRequest) {
	for _, req := range reqs {
		select {
		case st.requests <- req:
		case <-st.ctx.Done():
		}
	}
}

func (st *stub) SendHeader(metadata.MD) error {
	close(st.headers)
	return nil
}

func (st *stub) Context() context.Context { return st.ctx }

func (st *stub) Recv() (*numbersv1.CountRequest, error) {
	req := new(numbersv1.CountRequest)
	return req, st.RecvMsg(req)
}

func (st *stub) RecvMsg(m any) error {
	select {
	case req, open := <-st.requests:
		if !open {
			return io.EOF
		}
		m.(*numbersv1.CountRequest).Kind = req.Kind
		return nil
	case <-st.ctx.Done():
		return st.ctx.Err()
	}
}

func (st *stub) Send(resp *numbersv1.CountResponse) error {
	if st.send == nil {
		return nil
	}
	return st.send(resp)
}

func registering(id int32) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}}}
}

func reporting(value int64) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value}}}
}

func drawing() *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{}}}
}

// isExhausted checks that a call ended because of a limit, and says when to retry.
func isExhausted(tb testing.TB, err error, reason string) {
	tb.Helper()
	if retry := apierrortest.Check(tb, "the call", err, codes.ResourceExhausted, reason); retry <= 0 {
		tb.Errorf("the call ended with %v, which does not say when to retry", err)
	}
}

// valueOf returns the register's value of a client.
func valueOf(t *testing.T, store register.Store, id int32) int64 {
	t.Helper()
	clients, err := store.List(t.Context(), id-1, 1)
	if err != nil || len(clients) == 0 || clients[0].ID != id {
		t.Fatalf("client %d is registered as %v, %v", id, clients, err)
	}
	return clients[0].Value
}

// recvAll receives until the stream ends, and returns its error, nil for io.EOF.
func recvAll(stream countClient) error { return recvEach(stream, func(*numbersv1.CountResponse) {}) }

type countClient = grpc.BidiStreamingClient[numbersv1.CountRequest, numbersv1.CountResponse]

// recvEach is recvAll with a call of f for each response.
func recvEach(stream countClient, f func(*numbersv1.CountResponse)) error {
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		f(resp)
	}
}

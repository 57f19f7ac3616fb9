package inproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// services are stubs of both services.
type services struct {
	numbersv1.UnimplementedNumberServiceServer
	filesv1.UnimplementedFileServiceServer
	draw  func(context.Context) (*numbersv1.DrawResponse, error)
	count func(numbersv1.NumberService_CountServer) error
	get   func(filesv1.FileService_GetServer) error
}

func (s *services) Draw(ctx context.Context, _ *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	return s.draw(ctx)
}
func (s *services) Count(st numbersv1.NumberService_CountServer) error { return s.count(st) }
func (s *services) Get(_ *filesv1.GetRequest, st filesv1.FileService_GetServer) error {
	return s.get(st)
}

// newChannel returns a channel with the stubs.
func newChannel(tb testing.TB, s *services) *Channel {
	c := NewChannel(nil, nil)
	tb.Cleanup(c.Close)
	numbersv1.RegisterNumberServiceServer(c, s)
	filesv1.RegisterFileServiceServer(c, s)
	return c
}

func reporting(v int64) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: v}}}
}

func increment(n int32) *numbersv1.CountResponse {
	return &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{Number: n}}}
}

// TestHalfDuplex checks that a handler can find out the property of its stream, also behind
// interceptors, and that its context ends with the caller's.
func TestHalfDuplex(t *testing.T) {
	var handler context.Context
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		handler = st.Context()
		_, err := st.Recv()
		return err
	}}
	c := NewChannel(nil, []grpc.StreamServerInterceptor{
		func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return next(srv, wrapped{ss})
		},
	})
	t.Cleanup(c.Close)
	numbersv1.RegisterNumberServiceServer(c, s)
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "k", "v"))
	defer cancel()
	st, err := numbersv1.NewNumberServiceClient(c).Count(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Send(reporting(1)); !errors.Is(err, io.EOF) {
		t.Fatalf("Send = %v, want the end", err)
	}
	md, _ := metadata.FromIncomingContext(handler)
	if !flow.IsHalfDuplex(handler) || len(md.Get("k")) != 1 || handler.Err() == nil {
		t.Errorf("half-duplex %v, metadata %v, error %v; want true, k=v and the end", flow.IsHalfDuplex(handler), md, handler.Err())
	}
}

// wrapped is a stream that hides the methods of the one it wraps, as interceptors' do.
type wrapped struct{ grpc.ServerStream }

func TestUnary(t *testing.T) {
	s := &services{draw: func(ctx context.Context) (*numbersv1.DrawResponse, error) {
		p, _ := peer.FromContext(ctx)
		md, _ := metadata.FromIncomingContext(ctx)
		if p.Addr.Network() != Network || md.Get("k")[0] != "v" {
			return nil, fmt.Errorf("called by %v with %v", p, md)
		}
		return &numbersv1.DrawResponse{Number: 7}, nil
	}}
	numbers := numbersv1.NewNumberServiceClient(newChannel(t, s))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "k", "v")
	if resp, err := numbers.Draw(ctx, &numbersv1.DrawRequest{}); err != nil || resp.GetNumber() != 7 {
		t.Errorf("Draw = %v, %v", resp, err)
	}
	s.draw = func(context.Context) (*numbersv1.DrawResponse, error) { return nil, status.Error(codes.Aborted, "no") }
	if _, err := numbers.Draw(ctx, &numbersv1.DrawRequest{}); status.Code(err) != codes.Aborted {
		t.Errorf("Draw = %v, want the handler's error", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := numbers.Draw(ended, &numbersv1.DrawRequest{}); status.Code(err) != codes.Canceled {
		t.Errorf("Draw with a context that has ended = %v", err)
	}
	if err := newChannel(t, s).Invoke(t.Context(), "/no/Such", nil, nil); status.Code(err) != codes.Unimplemented {
		t.Errorf("unknown method: %v", err)
	}
}

// TestInterceptors checks the order of the interceptors.
func TestInterceptors(t *testing.T) {
	var order []string
	unary := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			order = append(order, name)
			return next(ctx, req)
		}
	}
	stream := func(name string) grpc.StreamServerInterceptor {
		return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			order = append(order, name)
			return next(srv, ss)
		}
	}
	c := NewChannel([]grpc.UnaryServerInterceptor{unary("a"), unary("b")}, []grpc.StreamServerInterceptor{stream("c"), stream("d")})
	s := &services{
		draw: func(context.Context) (*numbersv1.DrawResponse, error) { return &numbersv1.DrawResponse{}, nil },
		get:  func(filesv1.FileService_GetServer) error { return nil },
	}
	t.Cleanup(c.Close)
	numbersv1.RegisterNumberServiceServer(c, s)
	filesv1.RegisterFileServiceServer(c, s)
	if _, err := numbersv1.NewNumberServiceClient(c).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
		t.Fatal(err)
	}
	st, err := filesv1.NewFileServiceClient(c).Get(t.Context(), &filesv1.GetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if got := fmt.Sprint(order); got != "[a b c d]" {
		t.Errorf("interceptors ran as %v", got)
	}
}

// TestServerStream checks that the handler runs up to one response for each Recv, and that
// the bytes of a response are shared.
func TestServerStream(t *testing.T) {
	data := make([]byte, 10)
	made := 0
	s := &services{get: func(st filesv1.FileService_GetServer) error {
		for ; made < 3; made++ {
			if err := st.Send(&filesv1.GetResponse{Data: data}); err != nil {
				return err
			}
		}
		return status.Error(codes.DataLoss, "the end")
	}}
	st, err := filesv1.NewFileServiceClient(newChannel(t, s)).Get(t.Context(), &filesv1.GetRequest{Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		resp, err := st.Recv()
		if err != nil || &resp.Data[0] != &data[0] {
			t.Fatalf("Recv = %v, %v", resp, err)
		}
		if made != i {
			t.Errorf("%d responses made before their Recv", made-i)
		}
	}
	for range 2 {
		if _, err := st.Recv(); status.Code(err) != codes.DataLoss {
			t.Errorf("the stream ended with %v", err)
		}
	}
}

// TestBidi checks that the handler has processed a request when Send returns.
func TestBidi(t *testing.T) {
	var got []int64
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		for {
			req, err := st.Recv()
			if errors.Is(err, io.EOF) {
				return st.Send(increment(99))
			} else if err != nil {
				return err
			}
			got = append(got, req.GetReport().GetValue())
			if v := req.GetReport().GetValue(); v%2 == 0 {
				if err := st.Send(increment(int32(v))); err != nil {
					return err
				}
			}
		}
	}}
	st, err := numbersv1.NewNumberServiceClient(newChannel(t, s)).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for v := range int64(5) {
		if err := st.Send(reporting(v)); err != nil {
			t.Fatal(err)
		}
		if len(got) != int(v)+1 {
			t.Fatalf("%d requests processed after %d", len(got), v+1)
		}
	}
	for _, want := range []int32{0, 2, 4} {
		if resp, err := st.Recv(); err != nil || resp.GetIncrement().GetNumber() != want {
			t.Fatalf("Recv = %v, %v; want %d", resp, err, want)
		}
	}
	if _, err := st.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("both sides wait: %v", err)
	}
	if err := st.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if resp, err := st.Recv(); err != nil || resp.GetIncrement().GetNumber() != 99 {
		t.Errorf("the last response is %v, %v", resp, err)
	}
	if _, err := st.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := st.Send(reporting(1)); !errors.Is(err, io.EOF) {
		t.Errorf("Send to a stream that has ended = %v", err)
	}
}

func BenchmarkBidi(b *testing.B) {
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		for {
			if _, err := st.Recv(); err != nil {
				return err
			}
			if err := st.Send(increment(1)); err != nil {
				return err
			}
		}
	}}
	st, err := numbersv1.NewNumberServiceClient(newChannel(b, s)).Count(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	req := reporting(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := st.Send(req); err != nil {
			b.Fatal(err)
		}
		if _, err := st.Recv(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(st)
}

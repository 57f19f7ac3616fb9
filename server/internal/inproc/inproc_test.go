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

func newChannel(tb testing.TB, s *services) *Channel {
	c := NewChannel(nil, nil)
	tb.Cleanup(c.Close)
	numbersv1.RegisterNumberServiceServer(c, s)
	filesv1.RegisterFileServiceServer(c, s)
	return c
}

func report(v int64) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: v}}}
}

func increment(n int32) *numbersv1.CountResponse {
	return &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{Number: n}}}
}

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

// TestInterceptors run in their order, around the handler.
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

// TestServerStream: one response is made for each Recv, and its bytes are shared.
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
			t.Errorf("%d responses made before they were asked for", made-i)
		}
	}
	for range 2 {
		if _, err := st.Recv(); status.Code(err) != codes.DataLoss {
			t.Errorf("the stream ended with %v", err)
		}
	}
}

// TestBidi: a request has been dealt with when Send returns.
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
		if err := st.Send(report(v)); err != nil {
			t.Fatal(err)
		}
		if len(got) != int(v)+1 {
			t.Fatalf("%d requests taken after %d", len(got), v+1)
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
	if err := st.Send(report(1)); !errors.Is(err, io.EOF) {
		t.Errorf("Send to a stream that has ended = %v", err)
	}
}

// TestCancel ends streams by their context, wherever they are. That no coroutine
// stays behind is seen at the end of all tests.
func TestCancel(t *testing.T) {
	ended := make(chan error, 1)
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		err := func() error {
			for {
				if _, err := st.Recv(); err != nil {
					return err
				}
				if err := st.Send(increment(1)); err != nil {
					return err
				}
			}
		}()
		// A handler may go on for a while; nothing works any more.
		if err := st.Send(increment(2)); err == nil {
			t.Error("Send works after the end")
		}
		if _, err := st.Recv(); err == nil {
			t.Error("Recv works after the end")
		}
		ended <- err
		return err
	}}
	numbers := numbersv1.NewNumberServiceClient(newChannel(t, s))
	for sent := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		st, err := numbers.Count(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range sent {
			if err := st.Send(report(1)); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if sent > 0 { // else the handler has never run
			if err := <-ended; status.Code(err) != codes.Canceled {
				t.Errorf("after %d requests the handler ended with %v", sent, err)
			}
		}
		for err == nil {
			_, err = st.Recv()
		}
		if status.Code(err) != codes.Canceled {
			t.Errorf("after %d requests the caller got %v", sent, err)
		}
	}
}

// TestCancelledBefore begins streams whose context has ended already, or ends at the
// same time. The race detector sees what else would crash one in ten thousand.
func TestCancelledBefore(t *testing.T) {
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		for {
			if _, err := st.Recv(); err != nil {
				return err
			}
		}
	}}
	numbers := numbersv1.NewNumberServiceClient(newChannel(t, s))
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			cancel()
		} else {
			go cancel()
		}
		st, err := numbers.Count(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if i%4 < 2 {
			st.Send(report(1))
		}
		<-ctx.Done()
		if _, err := st.Recv(); status.Code(err) != codes.Canceled {
			t.Fatalf("stream %d ended with %v", i, err)
		}
	}
}

// TestPanic: a handler's panic comes to whoever had it run. A caller who recovers
// finds the call at its end.
func TestPanic(t *testing.T) {
	s := &services{get: func(filesv1.FileService_GetServer) error { panic("a fault") }}
	st, err := filesv1.NewFileServiceClient(newChannel(t, s)).Get(t.Context(), &filesv1.GetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if p := recover(); p != "a fault" {
				t.Errorf("recovered %v", p)
			}
		}()
		st.Recv()
		t.Error("the panic went nowhere")
	}()
	for range 2 {
		if resp, err := st.Recv(); status.Code(err) != codes.Internal {
			t.Errorf("Recv = %v, %v; want the end", resp, err)
		}
	}
}

// TestManyResponses: responses that nobody receives are bounded.
func TestManyResponses(t *testing.T) {
	s := &services{count: func(st numbersv1.NumberService_CountServer) error {
		for {
			if err := st.Send(increment(1)); err != nil {
				return err
			}
		}
	}}
	st, err := numbersv1.NewNumberServiceClient(newChannel(t, s)).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Send(report(1)); !errors.Is(err, io.EOF) {
		t.Fatalf("Send = %v", err)
	}
	n := 0
	for ; err == nil || errors.Is(err, io.EOF) && n == 0; n++ {
		_, err = st.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted || n != maxQueued+1 {
		t.Errorf("after %d responses: %v", n-1, err)
	}
}

// TestReuse: one coroutine serves calls one after the other, and none is kept of
// those that ended otherwise.
func TestReuse(t *testing.T) {
	n := 0
	s := &services{get: func(st filesv1.FileService_GetServer) error {
		n++
		return st.Send(&filesv1.GetResponse{Data: []byte{byte(n)}})
	}}
	c := newChannel(t, s)
	files := filesv1.NewFileServiceClient(c)
	for i := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		st, err := files.Get(ctx, &filesv1.GetRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := st.Recv(); err != nil || resp.GetData()[0] != byte(i+1) {
			t.Fatalf("call %d: %v, %v", i, resp, err)
		}
		kept := 0
		if i%2 == 0 {
			if _, err := st.Recv(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			kept = 1
		}
		cancel()
		if i%2 == 1 {
			if _, err := st.Recv(); status.Code(err) != codes.Canceled {
				t.Errorf("after the end: %v", err)
			}
		}
		if got := len(c.pool.idle); got != kept {
			t.Errorf("%d coroutines are kept after call %d, want %d", got, i, kept)
		}
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
	req := report(1)
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

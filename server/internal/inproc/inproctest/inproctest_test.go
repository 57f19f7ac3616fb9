package inproctest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a NumberService whose sessions the test handles.
type service struct {
	numbersv1.UnimplementedNumberServiceServer
	count func(numbersv1.NumberService_CountServer) error
}

func (s *service) Count(st numbersv1.NumberService_CountServer) error { return s.count(st) }

// violations collects what the checker finds.
type violations struct {
	mu  sync.Mutex
	all []string
}

func (v *violations) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, fmt.Sprintf(format, args...))
}

// converse runs the handler for a session of two requests, and returns the violations.
func converse(t *testing.T, handler func(numbersv1.NumberService_CountServer) error) []string {
	t.Helper()
	var v violations
	c := inproc.NewChannel(nil, []grpc.StreamServerInterceptor{Check(&v)})
	defer c.Close()
	numbersv1.RegisterNumberServiceServer(c, &service{count: handler})
	st, err := numbersv1.NewNumberServiceClient(c).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for value := range int64(2) {
		st.Send(&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value}}})
	}
	st.CloseSend()
	for err == nil {
		_, err = st.Recv()
	}
	return v.all
}

// elsewhere runs f in another goroutine and waits for it.
func elsewhere(f func()) {
	var group sync.WaitGroup
	group.Go(f)
	group.Wait()
}

func TestViolations(t *testing.T) {
	response := func() *numbersv1.CountResponse {
		return &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{Committed: &numbersv1.Committed{Value: 1}}}
	}
	for name, tt := range map[string]struct {
		handler func(numbersv1.NumberService_CountServer) error
		want    string // in the violation; "": none
	}{
		"obeys": {func(st numbersv1.NumberService_CountServer) error {
			req := new(numbersv1.CountRequest)
			for {
				if err := st.RecvMsg(req); errors.Is(err, io.EOF) {
					return st.Send(response())
				} else if err != nil {
					return err
				}
				if err := st.Send(response()); err != nil {
					return err
				}
				req.Kind = nil // its own message
			}
		}, ""},
		"receives elsewhere": {func(st numbersv1.NumberService_CountServer) error {
			elsewhere(func() { st.Recv() })
			return nil
		}, "RecvMsg in another goroutine"},
		"sends elsewhere": {func(st numbersv1.NumberService_CountServer) error {
			elsewhere(func() { st.Send(response()) })
			return nil
		}, "SendMsg in another goroutine"},
		"changes what it sent": {func(st numbersv1.NumberService_CountServer) error {
			resp := response()
			err := st.Send(resp)
			resp.GetCommitted().Value++
			return err
		}, "a sent message changed"},
		"changes what it received": {func(st numbersv1.NumberService_CountServer) error {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			req.GetReport().Value = 7
			_, err = st.Recv()
			return err
		}, "a received message changed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := converse(t, tt.handler)
			if tt.want == "" && len(got) > 0 {
				t.Errorf("violations: %q", got)
			}
			if tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("violations %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUseAfterReturn checks that a handler cannot use the stream after its return.
func TestUseAfterReturn(t *testing.T) {
	var v violations
	var left grpc.ServerStream
	err := Check(&v)(nil, nil, &grpc.StreamServerInfo{}, func(_ any, ss grpc.ServerStream) error {
		left = ss
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := left.RecvMsg(nil); err == nil || len(v.all) != 1 || !strings.Contains(v.all[0], "RecvMsg after the handler has returned") {
		t.Errorf("RecvMsg = %v, violations %q", err, v.all)
	}
}

// TestNewChannel checks that a channel of the package runs handlers under the checker.
func TestNewChannel(t *testing.T) {
	c := NewChannel(t, nil, nil)
	filesv1.RegisterFileServiceServer(c, files{})
	st, err := filesv1.NewFileServiceClient(c).Get(t.Context(), &filesv1.GetRequest{})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := st.Recv()
	if err != nil || !strings.Contains(string(resp.GetData()), "inproctest.stream") {
		t.Errorf("the handler has a %s, %v", resp.GetData(), err)
	}
	if _, err := st.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// files is a FileService that sends the type of its stream.
type files struct {
	filesv1.UnimplementedFileServiceServer
}

func (files) Get(_ *filesv1.GetRequest, st filesv1.FileService_GetServer) error {
	inner := st.(*grpc.GenericServerStream[filesv1.GetRequest, filesv1.GetResponse]).ServerStream
	return st.Send(&filesv1.GetResponse{Data: fmt.Appendf(nil, "%T", inner)})
}

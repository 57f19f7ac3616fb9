package inproc

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestCancel ends streams by their context, in different states. TestMain checks that no
// coroutine is left.
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
		// The handler may continue, but its stream is closed.
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
			if err := st.Send(reporting(1)); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if sent > 0 { // otherwise the handler has never run
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

// TestCancelledBefore begins streams whose context has ended before, or ends at the same
// time. Without the race detector, an error shows in one of 10,000 runs.
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
			st.Send(reporting(1))
		}
		<-ctx.Done()
		if _, err := st.Recv(); status.Code(err) != codes.Canceled {
			t.Fatalf("stream %d ended with %v", i, err)
		}
	}
}

// TestPanic checks that a handler's panic continues in its caller, and that the call has
// ended when the caller recovers.
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
		t.Error("Recv returned")
	}()
	for range 2 {
		if resp, err := st.Recv(); status.Code(err) != codes.Internal {
			t.Errorf("Recv = %v, %v; want the end", resp, err)
		}
	}
}

// TestManyResponses checks the limit on responses that the caller does not receive.
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
	if err := st.Send(reporting(1)); !errors.Is(err, io.EOF) {
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

// TestReuse checks that calls reuse the coroutine of a call whose handler returned, and not
// that of an aborted call.
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

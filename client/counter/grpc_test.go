package counter

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func dialGRPC(t *testing.T, numbers *fakeserver.Numbers, id int32) (*fakeserver.Server, Dial) {
	t.Helper()
	server := fakeserver.Start(t, nil, numbers)
	return server, GRPC(numbersv1.NewNumberServiceClient(fakeserver.Dial(t, server.Addr)), id)
}

func TestGRPCSession(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	_, dial := dialGRPC(t, numbers, 3748)
	ctx, cancel := context.WithCancel(t.Context())
	s, start, err := dial(ctx)
	if err != nil || start != (Start{0, 1}) {
		t.Fatalf("dial = %+v, %v", start, err)
	}
	cancel() // bounds the dialling alone
	for _, v := range []int64{1, 2, 59} {
		if err := s.Report(v); err != nil {
			t.Fatal(err)
		}
	}
	for parity, want := range map[numbersv1.Parity]int32{
		numbersv1.Parity_PARITY_EVEN: fakeserver.Even,
		numbersv1.Parity_PARITY_ODD:  fakeserver.Odd,
	} {
		if n, err := s.Draw(t.Context(), parity); n != want || err != nil {
			t.Errorf("Draw(%v) = %d, %v", parity, n, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, start, err = dial(t.Context())
	if err != nil || start.Value != 59 {
		t.Fatalf("dial again = %+v, %v", start, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestGRPCConfirmed: the last value is confirmed when the session is closed.
func TestGRPCConfirmed(t *testing.T) {
	_, dial := dialGRPC(t, new(fakeserver.Numbers), 5)
	ctx, cancel := context.WithCancel(t.Context())
	confirmed := int64(-1)
	c := Counter{
		Dial: dial,
		Counted: func(value int64, _ int32) {
			if value == 2 {
				cancel()
			}
		},
		Confirmed: func(value int64) { confirmed = value },
	}
	if err := c.Run(ctx); err != nil || confirmed != 2 {
		t.Errorf("Run = %v, and %d is confirmed", err, confirmed)
	}
}

func TestGRPCUnconfirmed(t *testing.T) {
	_, dial := dialGRPC(t, &fakeserver.Numbers{Unconfirmed: true}, 1)
	s, _, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Report(1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "0 of 1 reports were confirmed") {
		t.Errorf("Close = %v", err)
	}
}

func TestGRPCRefused(t *testing.T) {
	_, dial := dialGRPC(t, new(fakeserver.Numbers), 10001)
	_, _, err := dial(t.Context())
	if refused := new(RefusedError); !errors.As(err, &refused) || status.Code(err) != codes.InvalidArgument {
		t.Errorf("dial = %v, want a RefusedError", err)
	}
}

func TestGRPCConnectionLost(t *testing.T) {
	var server *fakeserver.Server
	numbers := &fakeserver.Numbers{OnDraw: func(ctx context.Context) error {
		server.Cut()
		<-ctx.Done()
		return ctx.Err()
	}}
	server, dial := dialGRPC(t, numbers, 1)
	s, _, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Draw(t.Context(), numbersv1.Parity_PARITY_ODD); status.Code(err) != codes.Unavailable {
		t.Errorf("Draw = %v, want Unavailable", err)
	}
	if err := s.Report(1); status.Code(err) != codes.Unavailable {
		t.Errorf("Report = %v, want Unavailable", err)
	}
	if err := s.Close(); status.Code(err) != codes.Unavailable {
		t.Errorf("Close = %v, want Unavailable", err)
	}
}

// The server stops while a counter counts, and starts again at the same address.
func TestGRPCServerRestarts(t *testing.T) {
	numbers := new(fakeserver.Numbers)
	server, dial := dialGRPC(t, numbers, 7)
	ctx, cancel := context.WithCancel(t.Context())
	var values []int64
	notices := 0
	c := Counter{
		Dial: dial,
		Counted: func(value int64, _ int32) {
			values = append(values, value)
			switch len(values) {
			case 1:
				for len(numbers.Reports()) == 0 {
					time.Sleep(time.Millisecond)
				}
				server.Stop()
				lis, err := net.Listen("tcp", server.Addr)
				if err != nil {
					t.Error(err)
					cancel()
					return
				}
				server.Serve(lis, nil, numbers)
			case 3:
				cancel()
			}
		},
		Notice: func(string) { notices++ },
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if values[1] != 2 || values[2] != 3 || notices < 2 {
		t.Errorf("counted %d with %d notices", values, notices)
	}
}

// mute is a server that takes no message after the registration.
type mute struct {
	numbersv1.UnimplementedNumberServiceServer
}

func (mute) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	registered := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{}}}
	if err := stream.Send(registered); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// silent is a server that does not answer the registration.
type silent struct {
	numbersv1.UnimplementedNumberServiceServer
}

func (silent) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	<-stream.Context().Done()
	return nil
}

// Nothing that a session does waits for ever.
func TestGRPCTimeouts(t *testing.T) {
	bubble := func(service numbersv1.NumberServiceServer, test func(*testing.T, Dial)) {
		fakeserver.Bubble(t, func(s grpc.ServiceRegistrar) {
			numbersv1.RegisterNumberServiceServer(s, service)
		}, func(t *testing.T, conn grpc.ClientConnInterface) {
			test(t, GRPC(numbersv1.NewNumberServiceClient(conn), 1))
		})
	}
	bubble(mute{}, func(t *testing.T, dial Dial) {
		s, _, err := dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.Close(); !errors.Is(err, errNotClosing) || time.Since(start) != closeTimeout {
			t.Errorf("Close = %v after %v", err, time.Since(start))
		}
	})
	bubble(mute{}, func(t *testing.T, dial Dial) {
		s, _, err := dial(t.Context())
		for err == nil {
			err = s.Report(1)
		}
		if !errors.Is(err, errNotReading) {
			t.Errorf("Report = %v", err)
		}
		s.Close()
	})
	bubble(silent{}, func(t *testing.T, dial Dial) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial = %v", err)
		}
	})
}

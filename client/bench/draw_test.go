package bench

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func TestDraw(t *testing.T) {
	s := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	wantClean(t, runUntil(t, 100, 0, 4, &Draw{Conns: dialN(t, s.Addr, 2)}))
}

func TestCount(t *testing.T) {
	s := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	wantClean(t, runUntil(t, 100, 0, 4, &Count{Conns: dialN(t, s.Addr, 1), FirstID: 7}))
}

// TestCountComesBack ends the sessions of the clients, which then open new ones.
func TestCountComesBack(t *testing.T) {
	draws := 0
	s := fakeserver.Start(t, nil, &fakeserver.Numbers{OnDraw: func(context.Context) error {
		if draws++; draws == 2 {
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	}})
	r := runUntil(t, 2, 1, 1, &Count{Conns: dialN(t, s.Addr, 1)})
	if r.Errors != 1 || r.Operations < 2 {
		t.Errorf("%d errors and %d operations, want 1 and more than 1", r.Errors, r.Operations)
	}
	wantError(t, r, "gone")
}

// answer returns the answer of a stub to a draw.
type answer func(asked numbersv1.Parity) (number int32, parity numbersv1.Parity)

// right is the correct answer.
func right(asked numbersv1.Parity) (int32, numbersv1.Parity) {
	if asked == numbersv1.Parity_PARITY_ODD {
		return 99, asked
	}
	return 0, asked
}

// stubNumbers answers the first draw correctly, so that a load can begin, and the others
// with its answer.
type stubNumbers struct {
	numbersv1.UnimplementedNumberServiceServer
	then  answer
	begun bool
}

func (s *stubNumbers) next() answer {
	if !s.begun {
		s.begun = true
		return right
	}
	return s.then
}

func (s *stubNumbers) Draw(_ context.Context, r *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	number, parity := s.next()(r.GetParity())
	return &numbersv1.DrawResponse{Number: number, Parity: parity}, nil
}

func (s *stubNumbers) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil
		}
		resp := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{}}}
		if draw := r.GetDraw(); draw != nil {
			number, parity := s.next()(draw.GetParity())
			resp.Kind = &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{Number: number, Parity: parity}}
		}
		if err := stream.Send(resp); err != nil {
			return nil
		}
	}
}

// serve serves s until the test ends.
func (s *stubNumbers) serve(tb testing.TB) (addr string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer()
	numbersv1.RegisterNumberServiceServer(server, s)
	go server.Serve(l)
	tb.Cleanup(server.Stop)
	return l.Addr().String()
}

func TestWrongNumbersAreErrors(t *testing.T) {
	for says, then := range map[string]answer{
		"got 100, which is not": func(asked numbersv1.Parity) (int32, numbersv1.Parity) { return 100, asked },
		"got -1, which is not":  func(asked numbersv1.Parity) (int32, numbersv1.Parity) { return -1, asked },
		"asked for PARITY_EVEN, got 99": func(asked numbersv1.Parity) (int32, numbersv1.Parity) {
			return 99, asked
		},
		"asked for PARITY_ODD, got 0": func(asked numbersv1.Parity) (int32, numbersv1.Parity) {
			return 0, asked
		},
		"described as PARITY_UNSPECIFIED": func(asked numbersv1.Parity) (int32, numbersv1.Parity) {
			number, _ := right(asked)
			return number, numbersv1.Parity_PARITY_UNSPECIFIED
		},
	} {
		t.Run("draw/"+says, func(t *testing.T) {
			s := &stubNumbers{then: then}
			wantError(t, runUntil(t, 0, 1, 1, &Draw{Conns: dialN(t, s.serve(t), 1)}), says)
		})
		t.Run("count/"+says, func(t *testing.T) {
			s := &stubNumbers{then: then}
			wantError(t, runUntil(t, 0, 1, 1, &Count{Conns: dialN(t, s.serve(t), 1)}), says)
		})
	}
}

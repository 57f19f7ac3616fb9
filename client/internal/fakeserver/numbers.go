package fakeserver

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Even and Odd are the numbers that Numbers hands out, always.
const (
	Even = 42
	Odd  = 57
)

// Numbers is a NumberService that remembers the last value of each client. Its methods may be
// called while it serves.
type Numbers struct {
	numbersv1.UnimplementedNumberServiceServer

	// OnDraw, if not nil, is called before a draw in a session is answered. It
	// may block, or return an error to end the session with.
	OnDraw func(ctx context.Context) error
	// Unconfirmed makes Count forget to confirm the last reports.
	Unconfirmed bool

	mu      sync.Mutex
	clients []*numbersv1.Client
	reports []int64
}

// Reports returns the values that all clients have reported so far.
func (s *Numbers) Reports() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// Add adds a client to the register.
func (s *Numbers) Add(c *numbersv1.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
}

// Draw returns Even or Odd.
func (s *Numbers) Draw(_ context.Context, r *numbersv1.DrawRequest) (*numbersv1.DrawResponse, error) {
	number, parity := draw(r.GetParity())
	return &numbersv1.DrawResponse{Number: number, Parity: parity}, nil
}

// ListClients pages through the register, two clients a page.
func (s *Numbers) ListClients(_ context.Context, r *numbersv1.ListClientsRequest) (*numbersv1.ListClientsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, _ := strconv.Atoi(r.GetPageToken())
	to := min(from+2, len(s.clients))
	resp := &numbersv1.ListClientsResponse{Clients: s.clients[from:to]}
	if to < len(s.clients) {
		resp.NextPageToken = strconv.Itoa(to)
	}
	return resp, nil
}

// Count runs a session as the API specifies, except that it confirms reports only at the end.
func (s *Numbers) Count(stream grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]) error {
	r, err := stream.Recv()
	if err != nil {
		return err
	}
	id := r.GetRegistration().GetClientId()
	if id > 10000 {
		return status.Error(codes.InvalidArgument, "registration.client_id: must be 0 to 10000")
	}
	value, increment := s.last(id)
	err = stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{
		Registered: &numbersv1.Registered{Value: value, Increment: increment},
	}})
	for reports := int64(0); err == nil; {
		if r, err = stream.Recv(); errors.Is(err, io.EOF) {
			if s.Unconfirmed {
				return nil
			}
			return stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{
				Committed: &numbersv1.Committed{Reports: reports, Value: value},
			}})
		}
		switch kind := r.GetKind().(type) {
		case *numbersv1.CountRequest_Report:
			reports++
			value = kind.Report.GetValue()
			s.report(id, value)
		case *numbersv1.CountRequest_Draw:
			if s.OnDraw != nil {
				if err := s.OnDraw(stream.Context()); err != nil {
					return err
				}
			}
			number, parity := draw(kind.Draw.GetParity())
			err = stream.Send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{
				Increment: &numbersv1.Increment{Number: number, Parity: parity},
			}})
		}
	}
	return err
}

func (s *Numbers) last(id int32) (value int64, increment int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.GetClientId() == id {
			return c.GetLastValue(), c.GetLastNumber()
		}
	}
	s.clients = append(s.clients, &numbersv1.Client{ClientId: id, LastNumber: 1})
	return 0, 1
}

func (s *Numbers) report(id int32, value int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, value)
	for _, c := range s.clients {
		if c.GetClientId() == id {
			c.LastValue = value
		}
	}
}

func draw(p numbersv1.Parity) (int32, numbersv1.Parity) {
	if p == numbersv1.Parity_PARITY_ODD {
		return Odd, p
	}
	return Even, numbersv1.Parity_PARITY_EVEN
}

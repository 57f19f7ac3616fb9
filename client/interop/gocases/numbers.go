package gocases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"example.com/parity/client/counter"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

const (
	// draws is how many numbers a case draws.
	draws = 20
	// maxNumber is the largest number.
	maxNumber = 99
	// headersWithin is how soon the headers of Count arrive.
	headersWithin = 5 * time.Second
)

// The client IDs of the cases, counted from --id-base.
const (
	idSession = 1 + iota
	idResume
	idExtremes
	idHeaders
	idDeadline
)

func (s *Suite) id(n int) int32 { return int32(s.IDs + n) }

func drawEven(ctx context.Context, s *Suite) error { return s.draw(ctx, numbersv1.Parity_PARITY_EVEN) }
func drawOdd(ctx context.Context, s *Suite) error  { return s.draw(ctx, numbersv1.Parity_PARITY_ODD) }

func (s *Suite) draw(ctx context.Context, parity numbersv1.Parity) error {
	for range draws {
		r, err := s.numbers.Draw(ctx, &numbersv1.DrawRequest{Parity: parity})
		if err != nil {
			return err
		}
		if err := wantNumber(r.GetNumber(), r.GetParity(), parity); err != nil {
			return err
		}
	}
	return nil
}

// wantNumber returns an error unless a number and its parity are as drawn.
func wantNumber(number int32, got, want numbersv1.Parity) error {
	odd := want == numbersv1.Parity_PARITY_ODD
	if number < 0 || number > maxNumber || (number%2 == 1) != odd || got != want {
		return fmt.Errorf("drew %d, %v, want %v", number, got, want)
	}
	return nil
}

// stream is a counting session.
type stream struct {
	grpc.BidiStreamingClient[numbersv1.CountRequest, numbersv1.CountResponse]
	committed *numbersv1.Committed // the last one
}

func registration(id int32) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}}}
}

func report(value int64) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value}}}
}

func drawRequest(p numbersv1.Parity) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: p}}}
}

// open opens a session.
func (s *Suite) open(ctx context.Context, id int32) (*stream, *numbersv1.Registered, error) {
	c, err := s.numbers.Count(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := c.Send(registration(id)); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	r, err := c.Recv()
	if err == nil && r.GetRegistered() == nil {
		err = fmt.Errorf("the answer to Register is %v", r)
	}
	return &stream{BidiStreamingClient: c}, r.GetRegistered(), err
}

// next returns the next response that is no Committed, or io.EOF.
func (s *stream) next() (*numbersv1.CountResponse, error) {
	for {
		r, err := s.Recv()
		if err != nil || r.GetCommitted() == nil {
			return r, err
		}
		s.committed = r.GetCommitted()
	}
}

// finish half-closes the session and waits for its end and the last Committed.
func (s *stream) finish(reports, value int64) error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	if r, err := s.next(); err == nil {
		return fmt.Errorf("got %v after half-closing", r)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	if s.committed.GetReports() != reports || reports > 0 && s.committed.GetValue() != value {
		return fmt.Errorf("the last Committed is {%v}, want %d reports, value %d", s.committed, reports, value)
	}
	return nil
}

func countSession(ctx context.Context, s *Suite) error {
	c, _, err := s.open(ctx, s.id(idSession))
	if err != nil {
		return err
	}
	parities := []numbersv1.Parity{numbersv1.Parity_PARITY_ODD, numbersv1.Parity_PARITY_EVEN}
	requests := []*numbersv1.CountRequest{report(1), report(2), report(3)}
	for _, p := range parities {
		requests = append(requests, drawRequest(p))
	}
	for _, r := range requests {
		if err := c.Send(r); err != nil {
			return err
		}
	}
	for _, p := range parities {
		r, err := c.next()
		if err != nil {
			return err
		}
		if err := wantNumber(r.GetIncrement().GetNumber(), r.GetIncrement().GetParity(), p); err != nil {
			return err
		}
	}
	return c.finish(3, 3)
}

// countResume counts its first session with package counter.
func countResume(ctx context.Context, s *Suite) error {
	session, _, err := counter.GRPC(s.numbers, s.id(idResume))(ctx)
	if err != nil {
		return err
	}
	for value := range int64(3) {
		if err := session.Report(value + 1); err != nil {
			return err
		}
	}
	var last int32
	for _, p := range []numbersv1.Parity{numbersv1.Parity_PARITY_ODD, numbersv1.Parity_PARITY_EVEN} {
		if last, err = session.Draw(ctx, p); err != nil {
			return err
		}
		if err := wantNumber(last, p, p); err != nil {
			return err
		}
	}
	if err := session.Close(); err != nil {
		return err
	}
	c, r, err := s.open(ctx, s.id(idResume))
	if err != nil {
		return err
	}
	if r.GetValue() != 3 || !r.GetReturning() || r.GetIncrement() != last {
		return fmt.Errorf("the second session starts with {%v}, want value 3, returning, increment %d", r, last)
	}
	return c.finish(0, 0)
}

func countBadFirstMessage(ctx context.Context, s *Suite) error {
	c, err := s.numbers.Count(ctx)
	if err != nil {
		return err
	}
	if err := c.Send(report(1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if s.HalfClose {
		if err := c.CloseSend(); err != nil {
			return err
		}
	}
	_, err = c.Recv()
	return wantStatus(err, codes.FailedPrecondition, "NOT_REGISTERED")
}

func countHeadersFirst(ctx context.Context, s *Suite) error {
	c, err := s.numbers.Count(ctx)
	if err != nil {
		return err
	}
	headers := make(chan error, 1)
	go func() {
		_, err := c.Header()
		headers <- err
	}()
	select {
	case err = <-headers:
	case <-time.After(headersWithin):
		err = fmt.Errorf("no headers within %v", headersWithin)
	}
	if err != nil {
		return err
	}
	if err := c.Send(registration(s.id(idHeaders))); err != nil {
		return err
	}
	if r, err := c.Recv(); err != nil {
		return err
	} else if r.GetRegistered() == nil {
		return fmt.Errorf("the answer to Register is {%v}", r)
	}
	return (&stream{BidiStreamingClient: c}).finish(0, 0)
}

// beyondDouble is the smallest integer that a float64 cannot hold.
const beyondDouble = 1<<53 + 1

func countInt64Extremes(ctx context.Context, s *Suite) error {
	id := s.id(idExtremes)
	for _, value := range []int64{math.MaxInt64, math.MinInt64, beyondDouble} {
		c, _, err := s.open(ctx, id)
		if err != nil {
			return err
		}
		if err := c.Send(report(value)); err != nil {
			return err
		}
		if err := c.finish(1, value); err != nil {
			return err
		}
		c, r, err := s.open(ctx, id)
		if err != nil {
			return err
		}
		if r.GetValue() != value {
			return fmt.Errorf("the next session starts at %d, want %d", r.GetValue(), value)
		}
		if err := c.finish(0, 0); err != nil {
			return err
		}
	}
	c, err := s.registered(ctx, id)
	if err != nil {
		return err
	}
	if c.GetLastValue() != beyondDouble {
		return fmt.Errorf("ListClients has %d, want %d", c.GetLastValue(), int64(beyondDouble))
	}
	return nil
}

// registered returns what ListClients has for an ID.
func (s *Suite) registered(ctx context.Context, id int32) (*numbersv1.Client, error) {
	request := &numbersv1.ListClientsRequest{}
	for {
		r, err := s.numbers.ListClients(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, c := range r.GetClients() {
			if c.GetClientId() == id {
				return c, nil
			}
		}
		if request.PageToken = r.GetNextPageToken(); request.PageToken == "" {
			return nil, fmt.Errorf("ListClients does not have client %d", id)
		}
	}
}

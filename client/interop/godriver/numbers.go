package main

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

func (d *driver) id(n int) int32 { return int32(d.ids + n) }

func drawEven(ctx context.Context, d *driver) error { return d.draw(ctx, numbersv1.Parity_PARITY_EVEN) }
func drawOdd(ctx context.Context, d *driver) error  { return d.draw(ctx, numbersv1.Parity_PARITY_ODD) }

func (d *driver) draw(ctx context.Context, parity numbersv1.Parity) error {
	for range draws {
		r, err := d.numbers.Draw(ctx, &numbersv1.DrawRequest{Parity: parity})
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
func (d *driver) open(ctx context.Context, id int32) (*stream, *numbersv1.Registered, error) {
	s, err := d.numbers.Count(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Send(registration(id)); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	r, err := s.Recv()
	if err == nil && r.GetRegistered() == nil {
		err = fmt.Errorf("the answer to Register is %v", r)
	}
	return &stream{BidiStreamingClient: s}, r.GetRegistered(), err
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

func countSession(ctx context.Context, d *driver) error {
	s, _, err := d.open(ctx, d.id(idSession))
	if err != nil {
		return err
	}
	parities := []numbersv1.Parity{numbersv1.Parity_PARITY_ODD, numbersv1.Parity_PARITY_EVEN}
	requests := []*numbersv1.CountRequest{report(1), report(2), report(3)}
	for _, p := range parities {
		requests = append(requests, drawRequest(p))
	}
	for _, r := range requests {
		if err := s.Send(r); err != nil {
			return err
		}
	}
	for _, p := range parities {
		r, err := s.next()
		if err != nil {
			return err
		}
		if err := wantNumber(r.GetIncrement().GetNumber(), r.GetIncrement().GetParity(), p); err != nil {
			return err
		}
	}
	return s.finish(3, 3)
}

// countResume counts its first session with package counter.
func countResume(ctx context.Context, d *driver) error {
	session, _, err := counter.GRPC(d.numbers, d.id(idResume))(ctx)
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
	s, r, err := d.open(ctx, d.id(idResume))
	if err != nil {
		return err
	}
	if r.GetValue() != 3 || !r.GetReturning() || r.GetIncrement() != last {
		return fmt.Errorf("the second session starts with {%v}, want value 3, returning, increment %d", r, last)
	}
	return s.finish(0, 0)
}

func countBadFirstMessage(ctx context.Context, d *driver) error {
	s, err := d.numbers.Count(ctx)
	if err != nil {
		return err
	}
	if err := s.Send(report(1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err = s.Recv()
	return wantStatus(err, codes.FailedPrecondition, "NOT_REGISTERED")
}

func countHeadersFirst(ctx context.Context, d *driver) error {
	s, err := d.numbers.Count(ctx)
	if err != nil {
		return err
	}
	headers := make(chan error, 1)
	go func() {
		_, err := s.Header()
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
	if err := s.Send(registration(d.id(idHeaders))); err != nil {
		return err
	}
	if r, err := s.Recv(); err != nil || r.GetRegistered() == nil {
		return fmt.Errorf("the answer to Register is {%v}, %w", r, err)
	}
	return (&stream{BidiStreamingClient: s}).finish(0, 0)
}

// beyondDouble is the smallest integer that a float64 cannot hold.
const beyondDouble = 1<<53 + 1

func countInt64Extremes(ctx context.Context, d *driver) error {
	id := d.id(idExtremes)
	for _, value := range []int64{math.MaxInt64, math.MinInt64, beyondDouble} {
		s, _, err := d.open(ctx, id)
		if err != nil {
			return err
		}
		if err := s.Send(report(value)); err != nil {
			return err
		}
		if err := s.finish(1, value); err != nil {
			return err
		}
		s, r, err := d.open(ctx, id)
		if err != nil {
			return err
		}
		if r.GetValue() != value {
			return fmt.Errorf("the next session starts at %d, want %d", r.GetValue(), value)
		}
		if err := s.finish(0, 0); err != nil {
			return err
		}
	}
	c, err := d.registered(ctx, id)
	if err != nil {
		return err
	}
	if c.GetLastValue() != beyondDouble {
		return fmt.Errorf("ListClients has %d, want %d", c.GetLastValue(), int64(beyondDouble))
	}
	return nil
}

// registered returns what ListClients has for an ID.
func (d *driver) registered(ctx context.Context, id int32) (*numbersv1.Client, error) {
	request := &numbersv1.ListClientsRequest{}
	for {
		r, err := d.numbers.ListClients(ctx, request)
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

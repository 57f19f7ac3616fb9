package counter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

const (
	// sendTimeout is how long sending a message may take. It takes time only if the server
	// has stopped reading.
	sendTimeout = 10 * time.Second
	// closeTimeout is how long the server may take to make the last reports durable.
	closeTimeout = 5 * time.Second
)

var (
	errNotReading = fmt.Errorf("the server has taken no message for %v", sendTimeout)
	errNotClosing = fmt.Errorf("the server has not ended the session after %v", closeTimeout)
)

// GRPC returns a Dial for the client with that ID.
func GRPC(numbers numbersv1.NumberServiceClient, id int32) Dial {
	return func(ctx context.Context) (Session, Start, error) {
		s, registered, err := register(ctx, numbers, id)
		if err != nil {
			return nil, Start{}, refusal(err)
		}
		return s, Start{Value: registered.GetValue(), Increment: registered.GetIncrement()}, nil
	}
}

// grpcSession is a Session on a Count stream.
type grpcSession struct {
	stream grpc.BidiStreamingClient[numbersv1.CountRequest, numbersv1.CountResponse]
	cancel context.CancelCauseFunc // ends the stream at once

	sending sync.Mutex // a stream takes one sender at a time
	reports int64      // sent; used by Report and Close alone

	confirmed  chan int64    // see Confirmed
	increments chan int32    // answers the draw that waits
	ended      chan struct{} // closed when the stream has ended; then these are set:
	committed  int64         // how many reports the server has confirmed
	err        error         // why it ended; nil: in order
}

var (
	_ Session   = (*grpcSession)(nil)
	_ Confirmer = (*grpcSession)(nil)
)

// Confirmed implements Confirmer.
func (s *grpcSession) Confirmed() <-chan int64 { return s.confirmed }

func register(ctx context.Context, numbers numbersv1.NumberServiceClient, id int32) (*grpcSession, *numbersv1.Registered, error) {
	// The stream outlives ctx, so that it can be half-closed at the end.
	streamCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unbind := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })

	stream, registered, err := openStream(streamCtx, numbers, id)
	if !unbind() {
		err = fmt.Errorf("registering client %d: %w", id, ctx.Err())
	}
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	s := &grpcSession{
		stream:     stream,
		cancel:     cancel,
		confirmed:  make(chan int64, 1),
		increments: make(chan int32, 1),
		ended:      make(chan struct{}),
	}
	go s.receive(streamCtx)
	return s, registered, nil
}

func openStream(ctx context.Context, numbers numbersv1.NumberServiceClient, id int32) (
	grpc.BidiStreamingClient[numbersv1.CountRequest, numbersv1.CountResponse], *numbersv1.Registered, error,
) {
	stream, err := numbers.Count(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = stream.Send(&numbersv1.CountRequest{
		Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}},
	})
	if err != nil && !errors.Is(err, io.EOF) { // after io.EOF, Recv says why
		return nil, nil, err
	}
	response, err := stream.Recv()
	if err == nil && response.GetRegistered() == nil {
		err = errors.New("the server did not answer the registration")
	}
	return stream, response.GetRegistered(), err
}

// receive handles responses until the stream ends.
func (s *grpcSession) receive(ctx context.Context) {
	defer close(s.ended)
	for {
		response, err := s.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return
		case ctx.Err() != nil: // a timeout of ours
			s.err = context.Cause(ctx)
			return
		case err != nil:
			s.err = refusal(err)
			return
		}
		switch kind := response.GetKind().(type) {
		case *numbersv1.CountResponse_Increment:
			select {
			case s.increments <- kind.Increment.GetNumber():
			default: // nobody asked
			}
		case *numbersv1.CountResponse_Committed:
			s.committed = kind.Committed.GetReports()
			select {
			case <-s.confirmed: // an older one, which nobody has taken
			default:
			}
			s.confirmed <- kind.Committed.GetValue() // has room: there is no other sender
		}
	}
}

func (s *grpcSession) Report(value int64) error {
	s.reports++
	return s.send(&numbersv1.CountRequest{
		Kind: &numbersv1.CountRequest_Report{Report: &numbersv1.Report{Value: value}},
	})
}

func (s *grpcSession) Draw(ctx context.Context, parity numbersv1.Parity) (int32, error) {
	err := s.send(&numbersv1.CountRequest{
		Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: parity}},
	})
	if err != nil {
		return 0, err
	}
	select {
	case n := <-s.increments:
		return n, nil
	case <-s.ended:
		return 0, s.why()
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for an increment: %w", ctx.Err())
	}
}

func (s *grpcSession) send(request *numbersv1.CountRequest) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	late := time.AfterFunc(sendTimeout, func() { s.cancel(errNotReading) })
	defer late.Stop()
	err := s.stream.Send(request)
	if errors.Is(err, io.EOF) {
		<-s.ended
		return s.why()
	}
	return err
}

// why returns the cause of a stream's end that the client did not request.
func (s *grpcSession) why() error {
	if s.err == nil {
		return errors.New("the server ended the session")
	}
	return s.err
}

// Close half-closes the stream, and waits until the server has confirmed every report.
func (s *grpcSession) Close() error {
	defer s.cancel(nil)
	late := time.AfterFunc(closeTimeout, func() { s.cancel(errNotClosing) })
	defer late.Stop()
	err := s.stream.CloseSend()
	<-s.ended
	if err = errors.Join(err, s.err); err == nil && s.committed == s.reports {
		return nil
	}
	if err == nil {
		err = errors.New("the server ended the session")
	}
	return fmt.Errorf("%d of %d reports were confirmed: %w", s.committed, s.reports, err)
}

// refusal wraps errors that a retry cannot resolve in RefusedError.
func refusal(err error) error {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.NotFound,
		codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return &RefusedError{err}
	}
	return err
}

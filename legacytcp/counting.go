package legacytcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

type drawRequest = *numbersv1.CountRequest

// All sessions send these; they are never changed.
var (
	drawEven = newDraw(numbersv1.Parity_PARITY_EVEN)
	drawOdd  = newDraw(numbersv1.Parity_PARITY_ODD)
)

func newDraw(p numbersv1.Parity) drawRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: p}}}
}

func newRegister(id int32) *numbersv1.CountRequest {
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Register{Register: &numbersv1.Register{ClientId: id}}}
}

// errStreamEnded says that the service ended a stream without an error.
var errStreamEnded = errors.New("the service ended the session")

// counting is one client's counting session with the NumberService. It outlives
// the stream that carries it: when the service becomes UNAVAILABLE, the client is
// registered on a new one.
//
// It is half-duplex: whoever asks for something receives until the answer is
// there. Committed messages wait meanwhile; the service keeps them to the newest.
type counting struct {
	*conn
	id int32

	stream numbersv1.NumberService_CountClient // nil: to be opened
	resp   numbersv1.CountResponse             // the last that was received
	cancel context.CancelFunc                  // of stream
	watch  *time.Timer                         // cancels it, where an answer takes too long
	sent   int64                               // reports sent on stream

	reported bool  // whether the client has reported
	value    int64 // what it reported last
	unsaved  bool  // whether that is not known to be durable
}

// begin registers the client and returns the value that the service has for it.
func (s *counting) begin() (last int64, err error) {
	err = s.retry(s.g.limits.UpstreamWait, func() (err error) {
		last, err = s.open()
		return err
	})
	return last, err
}

func (s *counting) report(value int64) error {
	s.reported, s.value = true, value
	err := s.send(newReport(value))
	if isUnavailable(err) {
		err = s.retry(s.g.limits.UpstreamRecovery, s.reopen)
	}
	return err
}

func (s *counting) draw(req drawRequest) (n int32, err error) {
	n, err = s.tryDraw(req)
	if isUnavailable(err) {
		err = s.retry(s.g.limits.UpstreamRecovery, func() (err error) {
			n, err = s.tryDraw(req)
			return err
		})
	}
	return n, err
}

func (s *counting) tryDraw(req drawRequest) (int32, error) {
	if err := s.reopen(); err != nil {
		return 0, err
	}
	s.watch.Reset(s.g.limits.UpstreamRecovery)
	defer s.watch.Stop()
	if err := s.send(req); err != nil {
		return 0, err
	}
	resp, err := s.recv()
	if err != nil {
		return 0, err
	}
	if resp.GetIncrement() == nil {
		return 0, fmt.Errorf("draw was answered by %T", resp.GetKind())
	}
	return resp.GetIncrement().GetNumber(), nil
}

// finish ends the stream and waits until the last report is durable. Its error
// says that it may not be.
func (s *counting) finish() error {
	err := s.tryFinish()
	if isUnavailable(err) && s.unsaved {
		err = s.retry(s.g.limits.UpstreamRecovery, s.tryFinish)
	}
	if !s.unsaved {
		return nil
	}
	return err
}

func (s *counting) tryFinish() error {
	if err := s.reopen(); err != nil {
		return err
	}
	s.watch.Reset(s.g.limits.UpstreamRecovery)
	defer s.watch.Stop()
	if err := s.stream.CloseSend(); err != nil {
		return s.broken(err)
	}
	for {
		if _, err := s.recv(); errors.Is(err, errStreamEnded) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// open opens a stream, registers the client on it, and returns the value that
// the service has for it.
func (s *counting) open() (last int64, err error) {
	ctx, cancel := context.WithCancel(s.ctx)
	watch := time.AfterFunc(s.g.limits.UpstreamRecovery, cancel)
	defer watch.Stop()
	stream, err := s.g.cfg.Numbers.Count(ctx)
	if err != nil {
		cancel()
		return 0, err
	}
	s.stream, s.cancel, s.watch, s.sent = stream, cancel, watch, 0
	if err := s.send(newRegister(s.id)); err != nil {
		return 0, err
	}
	resp, err := s.recv()
	if err != nil {
		return 0, err
	}
	if resp.GetRegistered() == nil {
		return 0, fmt.Errorf("register was answered by %T", resp.GetKind())
	}
	return resp.GetRegistered().GetValue(), nil
}

// reopen opens a new stream if the last one broke. What the client reported last
// is reported again: whoever answers now may never have seen it.
func (s *counting) reopen() error {
	if s.stream != nil {
		return nil
	}
	if _, err := s.open(); err != nil {
		return err
	}
	if s.reported {
		return s.send(newReport(s.value))
	}
	return nil
}

// send sends req. If it fails, the stream is dropped.
func (s *counting) send(req *numbersv1.CountRequest) error {
	if req.GetReport() != nil {
		s.sent++
		s.unsaved = true
	}
	err := s.stream.Send(req)
	for errors.Is(err, io.EOF) { // which says that Recv knows more
		if _, why := s.recv(); why != nil {
			return why
		}
	}
	if err != nil {
		return s.broken(err)
	}
	return nil
}

// recv returns the next response that answers something. It is valid until the next
// call. If there is none, the stream is dropped.
func (s *counting) recv() (*numbersv1.CountResponse, error) {
	for {
		err := s.stream.RecvMsg(&s.resp)
		switch {
		case errors.Is(err, io.EOF):
			return nil, s.broken(errStreamEnded)
		case err != nil:
			return nil, s.broken(err)
		case s.resp.GetCommitted() == nil:
			return &s.resp, nil
		}
		s.unsaved = s.sent > s.resp.GetCommitted().GetReports()
	}
}

// broken drops the stream and returns err.
func (s *counting) broken(err error) error {
	s.drop()
	return err
}

func (s *counting) drop() {
	if s.stream != nil {
		s.cancel()
		s.stream = nil
	}
}

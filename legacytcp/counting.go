package legacytcp

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	return &numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: id}}}
}

var (
	// errStreamEnded means that the service ended a stream without an error.
	errStreamEnded = errors.New("the service ended the session")
	// errClientEnded means that a request is not repeated on a new stream, because the
	// client has sent EOF or reset the connection.
	errClientEnded = errors.New("the service lost the session of a client that had ended")
	// errNoToken means that the service does not name its sessions.
	errNoToken = errors.New("the service does not know repeated reports")
)

// counting is a [session]'s side of the NumberService: it registers the client, reports
// values and draws numbers, over one Count stream after another. When the service becomes
// UNAVAILABLE, counting registers the client on a new stream, and recovery decides what
// to repeat there.
//
// It is half-duplex: a request receives until its answer has arrived. Committed messages
// wait meanwhile; the service keeps only the newest.
type counting struct {
	*conn
	id       int32
	recovery recovery

	stream numbersv1.NumberService_CountClient // nil: to be opened
	resp   numbersv1.CountResponse             // the last that was received
	cancel context.CancelFunc                  // of stream
	sent   int64                               // reports sent on stream, repeated ones too
}

// begin registers the client and returns the value that the service has for it.
func (s *counting) begin() (last int64, err error) {
	err = s.retry(s.g.limits.UpstreamWait, func() (err error) {
		last, err = s.open()
		return err
	})
	return last, err
}

// report reports a value. If the client has ended and there is no stream, finish does it.
func (s *counting) report(value int64) error {
	s.recovery.reported(value)
	if s.stream == nil {
		return nil
	}
	err := s.watched(func() error { return s.send(newReport(value)) })
	if isUnavailable(err) {
		err = s.retry(s.g.limits.UpstreamRecovery, s.resume)
	}
	if errors.Is(err, errClientEnded) && s.recovery.state == stateOwed {
		return nil
	}
	return err
}

// draw draws a number. The error is errClientEnded if the client has ended and the
// stream was lost before the answer.
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

func (s *counting) tryDraw(req drawRequest) (n int32, err error) {
	if err := s.resume(); err != nil {
		return 0, err
	}
	err = s.watched(func() error {
		if err := s.send(req); err != nil {
			return err
		}
		resp, err := s.recv()
		if err == nil && resp.GetIncrement() == nil {
			err = fmt.Errorf("draw was answered by %T", resp.GetKind())
		}
		n = resp.GetIncrement().GetNumber()
		return err
	})
	return n, err
}

// finish ends the stream and waits until the last report is durable. After an error it
// may not be.
func (s *counting) finish() error {
	err := s.tryFinish()
	if isUnavailable(err) && s.recovery.state.unsaved() {
		err = s.retry(s.g.limits.UpstreamRecovery, s.tryFinish)
	}
	s.recovery.happen(eventGaveUp)
	if s.recovery.state == stateOver {
		return nil
	}
	return err
}

func (s *counting) tryFinish() error {
	if s.stream == nil {
		// A client that sent EOF may wait for the gateway's, which says that all is durable.
		switch s.look(); s.recovery.state {
		case stateDoubt, stateOwed:
		case stateAbandoned:
			return errClientEnded
		default:
			return nil
		}
		if _, err := s.open(); err != nil {
			return err
		}
	}
	return s.watched(func() error {
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
	})
}

// resume opens a new stream if the last one failed and the client is still there.
func (s *counting) resume() error {
	if s.stream != nil {
		return nil
	}
	if s.look(); s.recovery.state != stateLost && s.recovery.state != stateDoubt {
		return errClientEnded
	}
	_, err := s.open()
	return err
}

// look tells recovery whether the client has ended.
func (s *counting) look() {
	switch presenceOf(s.nc) {
	case halfClosed:
		s.recovery.happen(eventEnded)
	case gone:
		s.recovery.happen(eventGone)
	}
}

// open opens a stream, registers the client on it, and returns the last value that the
// service has for it. It repeats a value that may not be durable.
func (s *counting) open() (last int64, err error) {
	if s.recovery.state.unsaved() && !s.recovery.canRepeat() {
		return 0, errNoToken
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.watch.await(s.conn, cancel)
	defer s.watch.answered()
	stream, err := s.g.cfg.Numbers.Count(ctx)
	if err != nil {
		cancel()
		return 0, err
	}
	s.stream, s.cancel, s.sent = stream, cancel, 0
	if err := s.send(newRegister(s.id)); err != nil {
		return 0, err
	}
	resp, err := s.recv()
	if err != nil {
		return 0, err
	}
	if resp.GetRegistered() == nil {
		return 0, s.broken(fmt.Errorf("register was answered by %T", resp.GetKind()))
	}
	last = resp.GetRegistered().GetValue()
	s.recovery.registered(resp.GetRegistered().GetSession())
	if s.recovery.state == stateRepeated {
		err = s.send(newRepeat(s.recovery.value, s.recovery.origin))
	}
	return last, err
}

// watched calls ask, which waits for the service, and bounds its time.
func (s *counting) watched(ask func() error) error {
	s.watch.await(s.conn, s.cancel)
	defer s.watch.answered()
	return ask()
}

// send sends req. If it fails, the stream is dropped.
func (s *counting) send(req *numbersv1.CountRequest) error {
	if req.GetReport() != nil {
		s.sent++
	}
	err := s.stream.Send(req)
	for errors.Is(err, io.EOF) { // Recv has the cause
		if _, why := s.recv(); why != nil {
			return why
		}
	}
	if err != nil {
		return s.broken(err)
	}
	return nil
}

// recv returns the next response but Committed. It is valid until the next call. On an
// error the stream is dropped.
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
		if s.sent > 0 && s.resp.GetCommitted().GetReports() >= s.sent {
			s.recovery.happen(eventCommitted)
		}
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
		s.recovery.happen(eventBroken)
	}
}

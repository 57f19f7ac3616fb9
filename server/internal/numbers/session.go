package numbers

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// finalCommit is how long the end of a session waits for its last reports to become
// durable. Groups are committed every 10 ms: the wait is for a register that is down.
const finalCommit = 5 * time.Second

// tooManyRetry is when a client with too many sessions may retry. Sessions are long.
const tooManyRetry = 10 * time.Second

type countStream = grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]

// session is one call of Count. It receives requests, saves reports in the register,
// answers draws, and confirms reports as they become durable.
//
// On a full-duplex stream a separate goroutine receives and the call's goroutine confirms.
// So a client that does not read delays its confirmations, but not the saving of its
// reports, and a client that does not send can be timed out. On a half-duplex stream one
// goroutine does both, and confirms at the end only.
type session struct {
	service *Service
	stream  countStream
	door    register.Door
	id      int32 // of the client
	writer  int64 // the ID of the session in the register
	entered bool  // counted among the client's open sessions

	// The limits of full-duplex sessions; nil for half-duplex ones.
	idle *idleTimer
	rate *rateLimiter

	sendMu  sync.Mutex // a stream has one sender at a time
	sendErr error      // of the first Send that failed; none follows it

	mu       sync.Mutex
	latest   reports       // up to the newest report
	reported chan struct{} // holds a token when latest is new
}

// reports are the first n reports of a session. They are durable when commit is done.
type reports struct {
	n      int64
	value  int64 // of the last of them
	commit *register.Commit
}

// Count serves one counting session.
func (s *Service) Count(stream countStream) error {
	ctx := stream.Context()
	// Some clients wait for the headers before they send: those of Rust's tonic do.
	if err := stream.SendHeader(nil); err != nil {
		return err
	}
	sess := &session{service: s, stream: stream, door: origin.FromContext(ctx).Door, reported: make(chan struct{}, 1)}
	if flow.IsHalfDuplex(ctx) {
		return toStatus(sess.end(sess.receive(), 0))
	}
	return toStatus(sess.run())
}

// enter counts the session as open. It fails if the client has too many.
func (c *session) enter() error {
	open, entered := c.service.enter(c.id)
	if c.entered = entered; !entered {
		return apierror.Exhausted("TOO_MANY_SESSIONS", fmt.Sprintf("client %d has %d open sessions, the maximum", c.id, open), tooManyRetry)
	}
	if open > 1 {
		c.service.log.Warn("client ID in use by several sessions: they share one record, the last write wins",
			"client", c.id, "sessions", open)
	}
	return nil
}

// enter counts one more session of a client as open, within the limit, and returns how
// many are open. Counting and undoing it are one step: a refused session must not take
// the place of another.
func (s *Service) enter(id int32) (open int, entered bool) {
	s.admission.Lock()
	defer s.admission.Unlock()
	open = int(s.store.Enter(id))
	if limit := s.options.SessionsPerClient; limit > 0 && open > limit {
		s.store.Leave(id)
		return open - 1, false
	}
	return open, true
}

// leave counts the session as closed. It logs a warning if the session was too fast.
func (c *session) leave() {
	if c.entered {
		c.service.store.Leave(c.id)
	}
	if c.rate != nil && c.rate.waited > 0 {
		c.service.log.Warn("session exceeded the report rate: its reports had to wait",
			"client", c.id, "reports", c.newest().n, "waited", c.rate.waited)
	}
}

// run confirms reports until the client half-closes the stream, the stream fails, the
// client times out, or the service drains.
func (c *session) run() error {
	c.idle = newIdleTimer(c.service.options.RegisterTimeout, c.service.options.IdleTimeout)
	defer c.idle.stop()
	received := make(chan error, 1)
	c.service.receivers.Go(func() { received <- c.receive() })
	var sent int64      // reports confirmed
	var waiting reports // to be confirmed next
	for {
		if waiting.n <= sent {
			waiting = c.newest()
		}
		reported, committed := c.reported, (<-chan struct{})(nil)
		if waiting.n > sent {
			reported, committed = nil, waiting.commit.Done()
		}
		select {
		case <-reported:
		case <-committed:
			var err error
			if sent, err = c.confirm(waiting); err != nil {
				return err
			}
		case err := <-received:
			return c.end(err, sent)
		case <-c.idle.fired:
			if err := c.idle.check(); err != nil {
				return c.end(err, sent)
			}
		case <-c.service.drain:
			return c.end(apierror.ShuttingDown(), sent)
		}
	}
}

// end waits until all reports are durable, confirms them, and returns err.
func (c *session) end(err error, sent int64) error {
	last := c.newest()
	if last.n == sent {
		return err
	}
	select {
	case <-last.commit.Done():
		if _, confirmErr := c.confirm(last); err == nil {
			err = confirmErr
		}
	case <-c.stream.Context().Done(): // the client cannot be told
	case <-time.After(finalCommit):
		err = apierror.New(codes.Unavailable, "NOT_COMMITTED", "the last reports are not durable yet")
	}
	return err
}

// receive handles requests until the client half-closes the stream or the call ends.
func (c *session) receive() error {
	defer c.leave()
	if err := c.register(); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	req := new(numbersv1.CountRequest) // reused: no request is kept
	for {
		err := c.stream.RecvMsg(req)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		now := time.Now()
		c.idle.touch(now)
		switch kind := req.GetKind().(type) {
		case *numbersv1.CountRequest_Report:
			if err := c.report(kind.Report, now); err != nil {
				return err
			}
			if err := c.wait(c.rate.report(now)); err != nil {
				return err
			}
		case *numbersv1.CountRequest_Draw:
			if err := c.draw(kind.Draw.GetParity(), now); err != nil {
				return err
			}
		case *numbersv1.CountRequest_Registration:
			return apierror.New(codes.FailedPrecondition, "ALREADY_REGISTERED", "registration must be sent once only")
		default:
			return apierror.InvalidArgument("EMPTY_REQUEST", "kind", "one of registration, report, draw must be set")
		}
		req.Kind = nil // an idle session must not keep its last report alive
	}
}

// register handles the first request.
func (c *session) register() error {
	req, err := c.stream.Recv()
	if err != nil {
		return err
	}
	kind, ok := req.GetKind().(*numbersv1.CountRequest_Registration)
	if !ok {
		return apierror.New(codes.FailedPrecondition, "NOT_REGISTERED", "the first request must be a registration")
	}
	now := time.Now()
	c.idle.touch(now)
	c.id = kind.Registration.GetClientId()
	if greatest := c.service.options.MaxClientID; c.id < 0 || c.id > greatest {
		return apierror.InvalidArgument("INVALID_CLIENT_ID", "registration.client_id",
			fmt.Sprintf("must be 0 to %d, is %d", greatest, c.id))
	}
	if err := c.enter(); err != nil {
		return err
	}
	record, returning, err := c.service.store.Register(c.stream.Context(), c.id, c.door, now)
	if err != nil {
		return err
	}
	c.writer = newWriter()
	if c.idle != nil { // full-duplex
		c.rate = newRateLimiter(c.service.options.ReportRate)
	}
	return c.send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{
		Value: record.Value, Increment: record.Number, Returning: returning,
		Session: encodeSession(c.id, register.Session{ID: c.writer, Revision: record.Revision}),
	}}})
}

// newWriter returns a unique session ID: 63 random bits, so that servers that share a
// register need no coordination and a restarted server no memory of earlier IDs.
func newWriter() int64 { return 1 + rand.Int64N(math.MaxInt64) }

// report saves a value in the register. A repeated report is confirmed like any other,
// whether or not the register applies it.
func (c *session) report(r *numbersv1.Report, now time.Time) error {
	change := register.Change{Value: r.GetValue(), SetValue: true, Writer: c.writer, Seen: register.SeenAt(c.door, now)}
	if token := r.GetRepeatsSession(); token != "" {
		repeats, err := decodeSession(c.id, token)
		if err != nil {
			return err
		}
		change.Repeats = &repeats
	}
	commit := c.service.store.Save(c.id, change)
	c.mu.Lock()
	c.latest = reports{n: c.latest.n + 1, value: r.GetValue(), commit: commit}
	c.mu.Unlock()
	select {
	case c.reported <- struct{}{}:
	default:
	}
	return nil
}

// wait delays the next receive. The end of the call, also by a drain, interrupts it.
func (c *session) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.stream.Context().Done():
		return c.stream.Context().Err()
	}
}

// draw answers a draw. It does not wait until the number is durable.
func (c *session) draw(p numbersv1.Parity, now time.Time) error {
	if err := validateParity(p); err != nil {
		return err
	}
	number, _ := draw(p)
	c.service.store.Save(c.id, register.Change{Number: number, SetNumber: true, Seen: register.SeenAt(c.door, now)})
	return c.send(increments[number])
}

// confirm tells the client that r is durable, together with newer reports of the same
// commit. It returns how many reports are confirmed.
func (c *session) confirm(r reports) (sent int64, err error) {
	if err := r.commit.Err(); err != nil {
		return 0, err
	}
	if newer := c.newest(); newer.commit == r.commit {
		r = newer
	}
	return r.n, c.send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{Committed: &numbersv1.Committed{
		Reports: r.n, Value: r.value,
	}}})
}

func (c *session) newest() reports {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// send sends resp. After the first failure it fails at once: only one sender waits for a
// client that does not read.
func (c *session) send(resp *numbersv1.CountResponse) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.sendErr == nil {
		c.sendErr = c.stream.Send(resp)
	}
	return c.sendErr
}

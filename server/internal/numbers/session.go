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
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// finalCommit is how long a session that has ended waits for its last reports to
// become durable. Groups are committed every 10 ms; this is for a register that is
// away.
const finalCommit = 5 * time.Second

type countStream = grpc.BidiStreamingServer[numbersv1.CountRequest, numbersv1.CountResponse]

// tooManyRetry is when a client with too many sessions may ask for another: they last.
const tooManyRetry = 10 * time.Second

// session is one call of Count. It receives requests, hands reports to the register
// and answers draws, and confirms reports as they become durable.
//
// Over the network a goroutine of its own receives, and the call's goroutine
// confirms. So a client that never reads what it is sent holds up its own
// confirmations, but not the saving of its reports; and a client that never sends
// anything can be told that it took too long.
type session struct {
	service *Service
	stream  countStream
	door    register.Door
	id      int32 // the client's
	writer  int64 // the session's own, under which the register knows what it wrote
	entered bool  // counted among the open sessions of id

	// What bounds a client over the network; nil for one in this process.
	silence *silence
	pace    *pace

	sendMu  sync.Mutex // a stream has one sender at a time
	sendErr error      // of the first Send that failed; there is none after it

	mu       sync.Mutex
	latest   reports       // the newest report, and those before it
	reported chan struct{} // holds a token when latest is new
}

// reports are the first n reports of a session, durable when commit is done.
type reports struct {
	n      int64
	value  int64 // of the last of them
	commit *register.Commit
}

// Count serves one counting session.
func (s *Service) Count(stream countStream) error {
	sess := &session{service: s, stream: stream, door: doorOf(stream.Context()), reported: make(chan struct{}, 1)}
	if origin.FromContext(stream.Context()).InProcess {
		// The gateway and the session take turns, so that all is done by one
		// goroutine: reports are confirmed at the end only.
		return toStatus(sess.end(sess.receive(), 0))
	}
	return toStatus(sess.run())
}

// enter counts the session in, unless its client has as many as it may.
func (c *session) enter() error {
	open, entered := c.service.enter(c.id)
	if c.entered = entered; !entered {
		return apierror.Exhausted("TOO_MANY_SESSIONS", fmt.Sprintf("client %d has %d sessions open, the most there may be", c.id, open), tooManyRetry)
	}
	if open > 1 {
		c.service.log.Warn("client ID in use by several sessions: they share one record, the last write wins",
			"client", c.id, "sessions", open)
	}
	return nil
}

// enter counts a session of a client in, if it may have one more, and returns how many
// are open. To ask the store and to take back what was too many are one step, so that
// a session that is refused never stands in the way of one that is not.
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

// leave counts the session out, and says what was remarkable about it.
func (c *session) leave() {
	if c.entered {
		c.service.store.Leave(c.id)
	}
	if c.pace != nil && c.pace.waited > 0 {
		c.service.log.Warn("session reported faster than it may: its reports had to wait",
			"client", c.id, "reports", c.newest().n, "waited", c.pace.waited)
	}
}

// run confirms reports until the client has closed its side, or the stream fails,
// or the client is silent for too long, or the server drains.
func (c *session) run() error {
	c.silence = newSilence(c.service.options.RegisterTimeout, c.service.options.IdleTimeout)
	defer c.silence.stop()
	received := make(chan error, 1)
	c.service.receivers.Go(func() { received <- c.receive() })
	var sent int64      // reports that the client knows to be durable
	var waiting reports // those to be confirmed next
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
		case <-c.silence.rings:
			if err := c.silence.check(); err != nil {
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
	case <-c.stream.Context().Done(): // nobody is there to be told
	case <-time.After(finalCommit):
		err = apierror.New(codes.Unavailable, "NOT_COMMITTED", "the last reports are not durable yet")
	}
	return err
}

// receive takes the client's requests until it closes its side, or until the call
// has ended.
func (c *session) receive() error {
	defer c.leave()
	if err := c.register(); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	req := new(numbersv1.CountRequest) // one for all: none is kept
	for {
		err := c.stream.RecvMsg(req)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		now := time.Now()
		c.silence.hear(now)
		switch kind := req.GetKind().(type) {
		case *numbersv1.CountRequest_Report:
			if err := c.report(kind.Report, now); err != nil {
				return err
			}
			if err := c.wait(c.pace.report(now)); err != nil {
				return err
			}
		case *numbersv1.CountRequest_Draw:
			if err := c.draw(kind.Draw.GetParity(), now); err != nil {
				return err
			}
		case *numbersv1.CountRequest_Register:
			return apierror.New(codes.FailedPrecondition, "ALREADY_REGISTERED", "register must be sent once only")
		default:
			return apierror.InvalidArgument("EMPTY_REQUEST", "kind", "one of register, report, draw must be set")
		}
		req.Kind = nil // or a silent session would hold on to its last report
	}
}

// register takes the first request.
func (c *session) register() error {
	req, err := c.stream.Recv()
	if err != nil {
		return err
	}
	kind, ok := req.GetKind().(*numbersv1.CountRequest_Register)
	if !ok {
		return apierror.New(codes.FailedPrecondition, "NOT_REGISTERED", "the first request must be register")
	}
	now := time.Now()
	c.silence.hear(now)
	c.id = kind.Register.GetClientId()
	if greatest := c.service.options.MaxClientID; c.id < 0 || c.id > greatest {
		return apierror.InvalidArgument("INVALID_CLIENT_ID", "register.client_id",
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
	if c.silence != nil { // over the network
		c.pace = newPace(c.service.options.ReportRate)
	}
	return c.send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{
		Value: record.Value, Increment: record.Number, Returning: returning,
		Session: encodeSession(c.id, register.Session{ID: c.writer, Revision: record.Revision}),
	}}})
}

// newWriter returns an ID that no other session has: 63 random bits. The servers that
// share a register need not agree on them, and a server that starts anew need not know
// those it gave before.
func newWriter() int64 { return 1 + rand.Int64N(math.MaxInt64) }

// report hands a value to the register. One that repeats another is a report like any
// other to the client, whether or not the register takes it.
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

// wait holds up the receiving, until the call ends at the latest, as it does when the
// server drains.
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

// draw answers a draw. The number is the client's from now on, so it need not wait
// for the register.
func (c *session) draw(p numbersv1.Parity, now time.Time) error {
	if err := validateParity(p); err != nil {
		return err
	}
	number, _ := draw(p)
	c.service.store.Save(c.id, register.Change{Number: number, SetNumber: true, Seen: register.SeenAt(c.door, now)})
	return c.send(increments[number])
}

// confirm tells the client that r is durable, with what was committed along with
// it. It returns how many reports the client knows of then.
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

// send sends resp. A stream that has failed once is not sent on again: whoever had to
// find out that the client does not read, the others need not wait for it too.
func (c *session) send(resp *numbersv1.CountResponse) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.sendErr == nil {
		c.sendErr = c.stream.Send(resp)
	}
	return c.sendErr
}

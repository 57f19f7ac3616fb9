package numbers

import (
	"errors"
	"fmt"
	"io"
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

// session is one call of Count. It receives requests, hands reports to the register
// and answers draws, and confirms reports as they become durable.
//
// Over the network a goroutine of its own receives, and the call's goroutine
// confirms. So a client that never reads what it is sent holds up its own
// confirmations, but not the saving of its reports.
type session struct {
	service *Service
	stream  countStream
	door    register.Door
	id      int32
	entered bool // counted among the open sessions of id

	sendMu sync.Mutex // a stream has one sender at a time

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

// enter counts the session in.
func (c *session) enter() {
	c.entered = true
	if open := c.service.store.Enter(c.id); open > 1 {
		c.service.log.Warn("client ID in use by several sessions: they share one record, the last write wins",
			"client", c.id, "sessions", open)
	}
}

// leave counts it out.
func (c *session) leave() {
	if c.entered {
		c.service.store.Leave(c.id)
	}
}

// run confirms reports until the client has closed its side, or the stream fails,
// or the server drains.
func (c *session) run() error {
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
		switch kind := req.GetKind().(type) {
		case *numbersv1.CountRequest_Report:
			c.report(kind.Report.GetValue())
		case *numbersv1.CountRequest_Draw:
			if err := c.draw(kind.Draw.GetParity()); err != nil {
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
	c.id = kind.Register.GetClientId()
	if c.id < 0 || c.id > c.service.maxID {
		return apierror.InvalidArgument("INVALID_CLIENT_ID", "register.client_id",
			fmt.Sprintf("must be 0 to %d, is %d", c.service.maxID, c.id))
	}
	c.enter()
	record, returning, err := c.service.store.Register(c.stream.Context(), c.id, c.door, time.Now())
	if err != nil {
		return err
	}
	return c.send(&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{
		Value: record.Value, Increment: record.Number, Returning: returning,
	}}})
}

// report hands a value to the register.
func (c *session) report(value int64) {
	commit := c.service.store.Save(c.id, register.Change{Value: value, SetValue: true, Seen: register.SeenAt(c.door, time.Now())})
	c.mu.Lock()
	c.latest = reports{n: c.latest.n + 1, value: value, commit: commit}
	c.mu.Unlock()
	select {
	case c.reported <- struct{}{}:
	default:
	}
}

// draw answers a draw. The number is the client's from now on, so it need not wait
// for the register.
func (c *session) draw(p numbersv1.Parity) error {
	if err := validateParity(p); err != nil {
		return err
	}
	number, _ := draw(p)
	c.service.store.Save(c.id, register.Change{Number: number, SetNumber: true, Seen: register.SeenAt(c.door, time.Now())})
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

func (c *session) send(resp *numbersv1.CountResponse) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return c.stream.Send(resp)
}

// Package counter is the counting client: it counts up by an increment twice a
// second, reports each value to the server, and every few seconds draws a new
// increment. It keeps counting when the server goes away and comes back.
//
// Counter is the counting, over whatever a Dial connects to; GRPC is the Dial
// for Parity's API; Prompt lets a person connect and shut down.
package counter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/parity/client/internal/backoff"
	"example.com/parity/client/internal/terminal"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

const (
	// ReportInterval is the time from one value to the next.
	ReportInterval = 500 * time.Millisecond
	// MinDrawInterval is the least time from having an increment to asking for the
	// next. The time is random.
	MinDrawInterval = 3 * time.Second
	// MaxDrawInterval is the longest.
	MaxDrawInterval = 5 * time.Second
	// answerTimeout is how long the server may take to answer, to a registration
	// or a draw, before the connection is taken for lost.
	answerTimeout = 10 * time.Second
)

// Session is one connection on which a client counts. Draw is called on a
// goroutine of its own, one at a time; the others never at the same time.
type Session interface {
	// Report tells the server the value. It does not wait for an answer, but may
	// return an error of the connection that has shown since.
	Report(value int64) error
	// Draw asks for a number of that parity and waits for it.
	Draw(ctx context.Context, parity numbersv1.Parity) (int32, error)
	// Close ends the session in order, within a bounded time. It returns an error
	// if reports may have been lost.
	Close() error
}

// Start is where a client goes on from, by what the server knows.
type Start struct {
	Value     int64
	Increment int32
}

// Dial connects and registers the client. Ctx bounds that, not the session.
type Dial func(ctx context.Context) (Session, Start, error)

// RefusedError is an error that trying again does not change. A Dial and its
// sessions wrap such errors in it.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Counter counts. Its functions are called on the goroutine of Run; none of them
// may be nil.
type Counter struct {
	Dial Dial
	// Counted is told each value that has been reported, and the increment that
	// led to it.
	Counted func(value int64, increment int32)
	// Notice is told when the connection is lost and found again: one line, safe to
	// show on a terminal.
	Notice func(line string)
}

// Run counts until ctx is done, and then closes the session. When the connection
// is lost it connects again, for as long as that takes, and goes on from the
// value that the server then says.
//
// It returns an error if it cannot connect at first, if the server refuses, if
// the connection is lost when ctx ends, or from closing the session.
func (c *Counter) Run(ctx context.Context) error {
	session, start, err := c.dial(ctx)
	for err == nil {
		if err = c.count(ctx, session, start); err == nil {
			return session.Close()
		}
		_ = session.Close() // says no more than err does
		session, start, err = c.redial(ctx, err)
	}
	return err
}

// count counts over one session. It returns nil when ctx is done, or else why
// the session cannot go on.
func (c *Counter) count(ctx context.Context, session Session, at Start) error {
	report := time.NewTicker(ReportInterval)
	defer report.Stop()
	draw := time.NewTimer(drawInterval())
	defer draw.Stop()

	// A draw waits beside the counting, and is over before the session is closed.
	type drawn struct {
		increment int32
		err       error
	}
	draws := make(chan drawn, 1)
	drawCtx, stopDrawing := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	defer drawing.Wait()
	defer stopDrawing()

	for {
		select {
		case <-ctx.Done():
			return nil
		case <-report.C:
			at.Value += int64(at.Increment)
			if err := session.Report(at.Value); err != nil {
				return err
			}
			c.Counted(at.Value, at.Increment)
		case <-draw.C:
			drawing.Go(func() {
				increment, err := drawOne(drawCtx, session)
				draws <- drawn{increment, err}
			})
		case d := <-draws:
			if ctx.Err() != nil {
				return nil
			}
			if d.err != nil {
				return d.err
			}
			at.Increment = d.increment
			draw.Reset(drawInterval())
		}
	}
}

// drawOne draws an even or an odd number, as chance has it.
func drawOne(ctx context.Context, session Session) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	parity := numbersv1.Parity_PARITY_EVEN
	if rand.N(2) == 0 {
		parity = numbersv1.Parity_PARITY_ODD
	}
	return session.Draw(ctx, parity)
}

func drawInterval() time.Duration {
	return MinDrawInterval + rand.N(MaxDrawInterval-MinDrawInterval+1)
}

// dial connects once.
func (c *Counter) dial(ctx context.Context) (Session, Start, error) {
	dialCtx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	session, start, err := c.Dial(dialCtx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("stopped while connecting: %w", err)
	}
	return session, start, err
}

// redial connects again after err, until that succeeds, ctx is done, or the
// server refuses.
func (c *Counter) redial(ctx context.Context, err error) (Session, Start, error) {
	for failures := 0; ; failures++ {
		if refused := new(RefusedError); errors.As(err, &refused) || ctx.Err() != nil {
			return nil, Start{}, err
		}
		wait := backoff.Delay(failures)
		c.Notice(fmt.Sprintf("not connected: %s; trying again in %v", terminal.Error(err), wait.Round(time.Millisecond)))
		if backoff.Wait(ctx, wait) != nil {
			return nil, Start{}, fmt.Errorf("stopped while not connected: %w", err)
		}
		var session Session
		var start Start
		if session, start, err = c.dial(ctx); err == nil {
			c.Notice(fmt.Sprintf("connected again, going on from %d", start.Value))
			return session, start, nil
		}
	}
}

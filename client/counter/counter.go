// Package counter is the counting client: it counts up by an increment twice a second,
// reports each value to the server, and draws a new increment every few seconds. It
// reconnects when the connection is lost.
//
// Counter counts over the sessions of a Dial; GRPC is the Dial for Parity's API; Prompt
// lets a person connect and shut down.
package counter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/parity/client/internal/backoff"
	"example.com/parity/client/internal/explain"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

const (
	// ReportInterval is the time from one value to the next.
	ReportInterval = 500 * time.Millisecond
	// MinDrawInterval is the minimum time from an increment to the next draw. The time is
	// random.
	MinDrawInterval = 3 * time.Second
	// MaxDrawInterval is the maximum.
	MaxDrawInterval = 5 * time.Second
	// answerTimeout is how long the server may take to answer a registration or a draw
	// before the connection counts as lost.
	answerTimeout = 10 * time.Second
)

// Session is a connection on which a client counts. Draw is called on a goroutine of its
// own, one call at a time; the other methods are never called concurrently.
type Session interface {
	// Report reports a value. It does not wait for an answer, but may return an earlier
	// error of the connection.
	Report(value int64) error
	// Draw draws a number of that parity.
	Draw(ctx context.Context, parity numbersv1.Parity) (int32, error)
	// Close ends the session in bounded time. It returns an error if reports may have been
	// lost.
	Close() error
}

// Start is what the server knows of a client: where it continues.
type Start struct {
	Value     int64
	Increment int32
}

// Dial connects and registers the client. ctx bounds that, not the session.
type Dial func(ctx context.Context) (Session, Start, error)

// RefusedError is an error that a retry cannot resolve. A Dial and its sessions wrap such
// errors in it.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Confirmer is a Session whose server confirms what it has stored.
type Confirmer interface {
	// Confirmed returns a channel that receives the newest value that is stored, if that has
	// changed. It is always the same channel.
	Confirmed() <-chan int64
}

// State is the state of the connection of a Counter.
type State struct {
	Start    Start     // where the counting goes on, if there is a connection
	Err      error     // why there is none; nil if there is one
	Lost     time.Time // when it was lost, if it was
	Attempts int       // how many attempts to reconnect have failed since
	Retry    time.Time // when the next one begins, if there is no connection
}

// Counter counts. Its functions are called on the goroutine of Run.
type Counter struct {
	Dial Dial
	// Counted receives each value that has been reported, and its increment. It must not be
	// nil.
	Counted func(value int64, increment int32)
	// Confirmed, unless it is nil, receives the newest value that the server has stored, if
	// the session is a Confirmer.
	Confirmed func(value int64)
	// Connection, unless it is nil, receives each new state of the connection.
	Connection func(State)
	// Notice, unless it is nil, receives one line, safe for a terminal, when the connection
	// is lost, and one when it is back.
	Notice func(line string)
}

// Run counts until ctx is done, and then closes the session. When the connection is lost,
// it reconnects, however long that takes, and continues from the server's value.
//
// It returns an error if it cannot connect at first, if the server refuses, if the
// connection is lost when ctx ends, or if closing the session fails.
func (c *Counter) Run(ctx context.Context) error {
	session, start, err := c.dial(ctx)
	if err == nil {
		c.connection(State{Start: start})
	}
	for err == nil {
		var confirmed <-chan int64
		if confirmer, ok := session.(Confirmer); ok {
			confirmed = confirmer.Confirmed()
		}
		if err = c.count(ctx, session, confirmed, start); err == nil {
			err = session.Close()
			select {
			case value := <-confirmed: // at the close
				c.confirm(value)
			default:
			}
			return err
		}
		_ = session.Close() // says no more than err does
		session, start, err = c.redial(ctx, err)
	}
	return err
}

// count counts over one session. It returns nil when ctx is done, or else the error that
// ended the session.
func (c *Counter) count(ctx context.Context, session Session, confirmed <-chan int64, at Start) error {
	report := time.NewTicker(ReportInterval)
	defer report.Stop()
	draw := time.NewTimer(drawInterval())
	defer draw.Stop()

	// A draw runs concurrently, and ends before the session is closed.
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
		case value := <-confirmed:
			c.confirm(value)
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

// drawOne draws a number of a random parity.
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

// redial reconnects after err, until that succeeds, ctx is done, or the server refuses.
func (c *Counter) redial(ctx context.Context, err error) (Session, Start, error) {
	lost := time.Now()
	for failures := 0; ; failures++ {
		if refused := new(RefusedError); errors.As(err, &refused) || ctx.Err() != nil {
			return nil, Start{}, err
		}
		if failures == 0 {
			c.notice("%s; reconnecting", explain.Error(err, ""))
		}
		wait := backoff.Delay(failures)
		c.connection(State{Err: err, Lost: lost, Attempts: failures, Retry: time.Now().Add(wait)})
		if backoff.Wait(ctx, wait) != nil {
			return nil, Start{}, fmt.Errorf("stopped while not connected: %w", err)
		}
		var session Session
		var start Start
		if session, start, err = c.dial(ctx); err == nil {
			c.notice("connected again after %v, going on from %d", time.Since(lost).Round(time.Millisecond), start.Value)
			c.connection(State{Start: start, Lost: lost, Attempts: failures})
			return session, start, nil
		}
	}
}

func (c *Counter) notice(format string, args ...any) {
	if c.Notice != nil {
		c.Notice(fmt.Sprintf(format, args...))
	}
}

func (c *Counter) connection(s State) {
	if c.Connection != nil {
		c.Connection(s)
	}
}

func (c *Counter) confirm(value int64) {
	if c.Confirmed != nil {
		c.Confirmed(value)
	}
}

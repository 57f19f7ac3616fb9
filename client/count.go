package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"example.com/parity/client/counter"
	"example.com/parity/client/internal/screen"
	"example.com/parity/client/internal/terminal"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// ids is how many client IDs a server has by default.
const ids = 10001

// countCommand counts as the counting clients do.
type countCommand struct {
	ID  *int32        `name:"id" placeholder:"N" help:"The client's ID, 0 to 10000; if left out, a random one."`
	For time.Duration `placeholder:"DURATION" help:"Count for this long, such as 90s. If left out: on a terminal, by prompt; else until interrupted."`
}

// AfterApply implements command.
func (c *countCommand) AfterApply() error {
	if c.For < 0 {
		return errors.New("--for: must not be negative")
	}
	return nil
}

// Run implements command.
func (c *countCommand) Run(ctx context.Context, p *program) error {
	id := rand.Int32N(ids)
	if c.ID != nil {
		id = *c.ID
	}
	out, isFile := p.out.(*os.File)
	if !isFile || !terminal.Is(p.out) || p.json {
		p.note(clientName(id))
		return c.forTime(ctx, func(ctx context.Context) error { return c.count(ctx, p, id, newCountLines(p, id)) })
	}
	if in, ok := p.in.(*os.File); ok && terminal.Is(in) && c.For == 0 {
		line, err := screen.NewPrompt(in, out)
		if err != nil {
			return err
		}
		defer line.Close()
		view := newCountLine(p, id, line)
		defer view.stop()
		return counter.Prompt(ctx, line, line, func(ctx context.Context) error {
			defer view.disconnected()
			return p.explained(c.count(ctx, p, id, view))
		})
	}
	line := screen.NewLive(out)
	defer line.Close()
	view := newCountLine(p, id, line)
	defer view.stop()
	return c.forTime(ctx, func(ctx context.Context) error { return c.count(ctx, p, id, view) })
}

// forTime calls count, for the time of --for if there is one.
func (c *countCommand) forTime(ctx context.Context, count func(context.Context) error) error {
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	return count(ctx)
}

// countView shows how the counting goes on. Its methods are called on one goroutine. An
// error ends the counting.
type countView interface {
	counted(value int64, increment int32) error
	confirmed(value int64) error
	connection(state counter.State) error
}

// count counts until ctx is done.
func (c *countCommand) count(ctx context.Context, p *program, id int32, view countView) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var shown error
	show := func(err error) {
		if err != nil && shown == nil {
			shown = err
			cancel(err)
		}
	}
	counting := counter.Counter{
		Dial:       counter.GRPC(numbersv1.NewNumberServiceClient(p.conn), id),
		Counted:    func(value int64, increment int32) { show(view.counted(value, increment)) },
		Confirmed:  func(value int64) { show(view.confirmed(value)) },
		Connection: func(state counter.State) { show(view.connection(state)) },
	}
	return errors.Join(counting.Run(ctx), shown)
}

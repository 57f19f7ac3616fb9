package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/parity/client/counter"
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

type countRecord struct {
	ClientID  int32 `json:"client_id"`
	Value     int64 `json:"value"`
	Increment int32 `json:"increment"`
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
	fmt.Fprintln(p.err, "client ID:", id)

	count := func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var printing error
		counting := counter.Counter{
			Dial: counter.GRPC(numbersv1.NewNumberServiceClient(p.conn), id),
			Counted: func(value int64, increment int32) {
				if printing = p.print(countRecord{id, value, increment}, "%d", value); printing != nil {
					cancel()
				}
			},
			Notice: func(line string) { fmt.Fprintln(p.err, line) },
		}
		return errors.Join(counting.Run(ctx), printing)
	}
	if c.For > 0 {
		ctx, cancel := context.WithTimeout(ctx, c.For)
		defer cancel()
		return count(ctx)
	}
	if terminal.Is(p.in) && terminal.Is(p.out) {
		return counter.Prompt(ctx, p.in, p.err, count)
	}
	return count(ctx)
}

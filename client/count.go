package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"example.com/parity/client/counter"
	"example.com/parity/client/internal/terminal"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// ids is how many client IDs a server has unless it was told otherwise.
const ids = 10001

type countCommand struct {
	ID  *int32        `name:"id" placeholder:"N" help:"The client's ID, 0 to 10000; if left out, a random one."`
	For time.Duration `placeholder:"DURATION" help:"Count for this long, such as 90s. If left out: on a terminal, as you say; else until interrupted."`
}

type countRecord struct {
	ClientID  int32 `json:"client_id"`
	Value     int64 `json:"value"`
	Increment int32 `json:"increment"`
}

func (c *countCommand) Run(ctx context.Context, conn grpc.ClientConnInterface, s streams, out output) error {
	if c.For < 0 {
		return usageError{errors.New("--for: must not be negative")}
	}
	id := rand.Int32N(ids)
	if c.ID != nil {
		id = *c.ID
	}
	fmt.Fprintln(s.err, "client ID:", id)

	count := func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var printing error
		counting := counter.Counter{
			Dial: counter.GRPC(numbersv1.NewNumberServiceClient(conn), id),
			Counted: func(value int64, increment int32) {
				if printing = out.print(countRecord{id, value, increment}, "%d", value); printing != nil {
					cancel()
				}
			},
			Notice: func(line string) { fmt.Fprintln(s.err, line) },
		}
		return errors.Join(counting.Run(ctx), printing)
	}
	if c.For > 0 {
		ctx, cancel := context.WithTimeout(ctx, c.For)
		defer cancel()
		return count(ctx)
	}
	if terminal.Is(s.in) && terminal.Is(s.out) {
		return counter.Prompt(ctx, s.in, s.err, count)
	}
	return count(ctx)
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"example.com/parity/client/counter"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
)

// ids is how many client IDs there are.
const ids = 10001

// count is the number client. It keeps its ID until the program ends, so that it continues
// from its last value after a reconnect.
func count(ctx context.Context, addr string, s streams) error {
	id := rand.Int32N(ids)
	fmt.Fprintln(s.err, "client ID:", id)
	counting := counter.Counter{
		Dial:    dialer(addr, id),
		Counted: func(value int64, _ int32) { fmt.Fprintln(s.out, value) },
		Notice:  func(line string) { fmt.Fprintln(s.err, line) },
	}
	return counter.Prompt(ctx, s.in, s.err, counting.Run)
}

// dialer returns a Dial for the number dialect. The protocol does not tell a client its
// increment: it is 1 at first, and after that the client remembers it.
func dialer(addr string, id int32) counter.Dial {
	increment := int32(1)
	return func(ctx context.Context) (counter.Session, counter.Start, error) {
		conn, value, err := legacytcp.DialNumbers(ctx, addr, id)
		if err != nil {
			return nil, counter.Start{}, err
		}
		return session{conn, &increment}, counter.Start{Value: value, Increment: increment}, nil
	}
}

// session remembers the last increment.
type session struct {
	*legacytcp.NumberConn
	increment *int32
}

func (s session) Draw(ctx context.Context, parity numbersv1.Parity) (int32, error) {
	n, err := s.NumberConn.Draw(ctx, parity)
	if err == nil {
		*s.increment = n
	}
	return n, err
}

package bench

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Draw draws numbers, one in each call.
type Draw struct {
	Conns []grpc.ClientConnInterface // the i-th client uses the i-th, modulo their number
}

var _ Load = (*Draw)(nil)

func (d *Draw) name() string                  { return "draw" }
func (d *Draw) sockets(int) int               { return len(d.Conns) }
func (d *Draw) prepare(context.Context) error { return nil }

// connect draws a number, to establish the connection.
func (d *Draw) connect(ctx context.Context, i int, t *tally) (client, error) {
	c := &drawClient{numbers: numbersv1.NewNumberServiceClient(d.Conns[i%len(d.Conns)]), t: t}
	return c, c.draw(ctx)
}

type drawClient struct {
	numbers numbersv1.NumberServiceClient
	t       *tally
}

func (c *drawClient) work(ctx context.Context) { c.t.repeat(ctx, c.draw) }
func (c *drawClient) end(context.Context)      {}

func (c *drawClient) draw(ctx context.Context) error {
	parity := anyParity()
	resp, err := c.numbers.Draw(ctx, &numbersv1.DrawRequest{Parity: parity})
	if err != nil {
		return err
	}
	return checkDrawn(resp, parity)
}

// checkDrawn checks the answer of either kind of draw.
func checkDrawn(got interface {
	GetNumber() int32
	GetParity() numbersv1.Parity
}, asked numbersv1.Parity) error {
	if got.GetParity() != asked {
		return fmt.Errorf("asked for %v, got %d, described as %v", asked, got.GetNumber(), got.GetParity())
	}
	return checkNumber(int64(got.GetNumber()), asked)
}

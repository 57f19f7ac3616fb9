package bench

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Count draws numbers in counting sessions, one for each client. The clients have the IDs
// from FirstID on.
type Count struct {
	Conns   []grpc.ClientConnInterface // the i-th client uses the i-th, modulo their number
	FirstID int32
}

var _ Load = (*Count)(nil)

func (c *Count) name() string                  { return "count" }
func (c *Count) sockets(int) int               { return len(c.Conns) }
func (c *Count) prepare(context.Context) error { return nil }

func (c *Count) connect(ctx context.Context, i int, t *tally) (client, error) {
	s := &countClient{
		numbers: numbersv1.NewNumberServiceClient(c.Conns[i%len(c.Conns)]),
		id:      c.FirstID + int32(i),
		t:       t,
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx)) // sessions outlive the connecting
	defer context.AfterFunc(ctx, s.stop)()
	return s, s.register()
}

type countClient struct {
	numbers numbersv1.NumberServiceClient
	id      int32
	t       *tally
	ctx     context.Context // of all sessions
	stop    context.CancelFunc

	stream grpc.BidiStreamingClient[numbersv1.CountRequest, numbersv1.CountResponse] // nil: to be opened
	cancel context.CancelFunc                                                        // of stream
}

func (c *countClient) work(ctx context.Context) {
	defer context.AfterFunc(ctx, c.stop)()
	c.t.repeat(ctx, c.draw)
}

func (c *countClient) end(context.Context) { c.stop() }

// draw draws one number, in a new session if the last one failed.
func (c *countClient) draw(context.Context) error {
	if c.stream == nil {
		if err := c.register(); err != nil {
			return err
		}
	}
	parity := anyParity()
	resp, err := c.ask(&numbersv1.CountRequest{Kind: &numbersv1.CountRequest_Draw{Draw: &numbersv1.Draw{Parity: parity}}})
	switch {
	case err != nil:
	case resp.GetIncrement() == nil:
		err = fmt.Errorf("draw was answered by %T", resp.GetKind())
	default:
		err = checkDrawn(resp.GetIncrement(), parity)
	}
	if err != nil {
		c.drop()
	}
	return err
}

// register opens a session.
func (c *countClient) register() error {
	ctx, cancel := context.WithCancel(c.ctx)
	stream, err := c.numbers.Count(ctx)
	if err != nil {
		cancel()
		return err
	}
	c.stream, c.cancel = stream, cancel
	resp, err := c.ask(&numbersv1.CountRequest{
		Kind: &numbersv1.CountRequest_Registration{Registration: &numbersv1.Register{ClientId: c.id}},
	})
	if err == nil && resp.GetRegistered() == nil {
		err = fmt.Errorf("register was answered by %T", resp.GetKind())
	}
	if err != nil {
		c.drop()
	}
	return err
}

func (c *countClient) drop() {
	c.cancel()
	c.stream = nil
}

// ask sends req and returns its answer.
func (c *countClient) ask(req *numbersv1.CountRequest) (*numbersv1.CountResponse, error) {
	if err := c.stream.Send(req); err != nil && !errors.Is(err, io.EOF) { // after io.EOF, Recv says why
		return nil, err
	}
	for {
		resp, err := c.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.New("the server ended the session")
		case err != nil:
			return nil, err
		case resp.GetCommitted() == nil:
			return resp, nil
		}
	}
}

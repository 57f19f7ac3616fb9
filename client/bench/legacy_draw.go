package bench

import (
	"context"
)

// LegacyDraw draws numbers over the original number protocol, on one connection for each
// client. The clients have the IDs from FirstID on.
type LegacyDraw struct {
	Addr    string
	FirstID int32

	addr string // Addr, resolved
}

var _ Load = (*LegacyDraw)(nil)

func (l *LegacyDraw) name() string            { return "legacy-draw" }
func (l *LegacyDraw) sockets(clients int) int { return clients }

func (l *LegacyDraw) prepare(ctx context.Context) (err error) {
	l.addr, err = resolve(ctx, l.Addr)
	return err
}

func (l *LegacyDraw) connect(ctx context.Context, i int, t *tally) (client, error) {
	c := &legacyDrawClient{load: l, id: l.FirstID + int32(i), t: t}
	c.ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx)) // connections outlive the connecting
	return c, c.register(ctx)
}

type legacyDrawClient struct {
	load *LegacyDraw
	id   int32
	t    *tally
	ctx  context.Context // of all connections
	stop context.CancelFunc

	conn *numberConn // nil: to be opened
}

func (c *legacyDrawClient) work(ctx context.Context) {
	defer context.AfterFunc(ctx, c.stop)()
	c.t.repeat(ctx, c.draw)
}

func (c *legacyDrawClient) end(context.Context) {
	c.stop()
	c.drop()
}

// draw draws one number, on a new connection if the last one failed.
func (c *legacyDrawClient) draw(ctx context.Context) error {
	if c.conn == nil {
		if err := c.register(ctx); err != nil {
			return err
		}
	}
	parity := anyParity()
	err := c.conn.ask(parity)
	var number int64
	if err == nil {
		number, err = c.conn.reply()
	}
	if err == nil {
		err = checkNumber(number, parity)
	}
	if err == nil {
		err = c.conn.checkQuiet()
	}
	if err != nil {
		c.drop()
	}
	return err
}

// register connects.
func (c *legacyDrawClient) register(ctx context.Context) error {
	conn, _, err := dialNumbers(ctx, c.load.addr, c.id)
	if err != nil {
		return err
	}
	c.conn = conn
	expire(c.ctx, conn)
	return nil
}

func (c *legacyDrawClient) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"example.com/parity/client/counter"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// LegacyCount counts as the original clients do, each on a connection of its own:
// every half second a client reports the value that it has counted to, and every
// three to five seconds it draws a new increment. In the end each connects again,
// and the server must have the value that it reported last. The clients have the
// IDs from FirstID on, which no other client may use meanwhile.
type LegacyCount struct {
	Addr    string
	FirstID int32

	addr string // Addr, resolved
}

var _ Load = (*LegacyCount)(nil)

func (l *LegacyCount) name() string { return "legacy-count" }

// sockets counts the connections of the checks at the end too.
func (l *LegacyCount) sockets(clients int) int { return clients + atOnce }

func (l *LegacyCount) prepare(ctx context.Context) (err error) {
	l.addr, err = resolve(ctx, l.Addr)
	return err
}

func (l *LegacyCount) connect(ctx context.Context, i int, t *tally) (client, error) {
	c := &legacyCountClient{addr: l.addr, id: l.FirstID + int32(i), t: t, increment: 1}
	var err error
	c.conn, c.value, err = dialNumbers(ctx, c.addr, c.id)
	return c, err
}

// listenFirst is how long a client listens before it asks for something.
const listenFirst = time.Millisecond

// legacyCountClient is one goroutine. While it waits for a reply, it reads until its next
// request is due, so that replies do not delay reports. Otherwise it sleeps, and reads for
// a moment before a draw, so that unexpected input is not taken for the reply.
type legacyCountClient struct {
	addr string
	id   int32
	t    *tally
	conn *numberConn

	value     int64 // reported last, or what the server had at first
	increment int64

	parity numbersv1.Parity // of the draw that waits for its reply; unspecified: none does
	asked  time.Time
	broken bool // the connection
}

// work reports and draws. Both begin at a random moment of their first period, so that the
// clients are not synchronized.
func (c *legacyCountClient) work(ctx context.Context) {
	report := time.Now().Add(rand.N(counter.ReportInterval))
	draw := time.Now().Add(rand.N(counter.MaxDrawInterval))
	for ctx.Err() == nil {
		due, listen, toDraw := report, report, false
		switch {
		case c.parity != numbersv1.Parity_PARITY_UNSPECIFIED:
			listen = time.Now()
		case draw.Before(report):
			due, listen, toDraw = draw, draw.Add(-listenFirst), true
		}
		number, err := c.listen(listen, due)
		switch {
		case err == nil:
			if c.answered(number) {
				draw = time.Now().Add(counter.MinDrawInterval + rand.N(counter.MaxDrawInterval-counter.MinDrawInterval+1))
			}
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
		case ctx.Err() != nil:
			return
		case toDraw:
			c.parity, c.asked = anyParity(), time.Now()
			err = c.conn.ask(c.parity)
		default:
			c.value += c.increment
			err = c.conn.report(c.value)
			report = report.Add(counter.ReportInterval)
		}
		if err != nil {
			c.lost(err)
			return
		}
	}
}

// listen returns the number that the server sends between two times, or
// os.ErrDeadlineExceeded.
func (c *legacyCountClient) listen(from, to time.Time) (int64, error) {
	time.Sleep(time.Until(from))
	if !from.Before(to) {
		return 0, os.ErrDeadlineExceeded
	}
	return c.conn.replyBy(to)
}

// answered handles a number from the server, which must answer a draw.
func (c *legacyCountClient) answered(number int64) bool {
	if c.parity == numbersv1.Parity_PARITY_UNSPECIFIED {
		c.t.errors.add(fmt.Errorf("got %d without a request", number))
		return false
	}
	if err := checkNumber(number, c.parity); err != nil {
		c.t.errors.add(err)
	} else {
		c.increment = number
		c.t.done(time.Since(c.asked))
	}
	c.parity = numbersv1.Parity_PARITY_UNSPECIFIED
	return true
}

// lost records that the connection is lost.
func (c *legacyCountClient) lost(err error) {
	c.broken = true
	if errors.Is(err, io.EOF) {
		err = errClosed
	}
	c.t.errors.add(err)
}

// end half-closes the connection, and checks the server's value on another one.
func (c *legacyCountClient) end(ctx context.Context) {
	c.hangUp(ctx)
	again, kept, err := dialNumbers(ctx, c.addr, c.id)
	if err != nil {
		c.t.errors.add(fmt.Errorf("reconnecting: %w", err))
		return
	}
	again.reset()
	if kept != c.value {
		c.t.errors.add(fmt.Errorf("client %d reported %d last, the server has %d", c.id, c.value, kept))
	}
}

// hangUp half-closes the connection and waits for the server's EOF, which comes when the
// reports are durable.
func (c *legacyCountClient) hangUp(ctx context.Context) {
	defer c.conn.Close()
	if c.broken {
		return
	}
	c.conn.SetDeadline(time.Time{})
	defer expire(ctx, c.conn)()
	err := c.conn.closeWrite()
	for err == nil {
		var number int64
		if number, err = c.conn.reply(); err == nil {
			c.answered(number)
		}
	}
	switch {
	case !errors.Is(err, io.EOF):
		c.t.errors.add(fmt.Errorf("waiting for the server to close: %w", err))
	case c.parity != numbersv1.Parity_PARITY_UNSPECIFIED:
		c.t.errors.add(fmt.Errorf("asked for %v, got no reply", c.parity))
	}
}

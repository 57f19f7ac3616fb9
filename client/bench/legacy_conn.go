package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// maxReply is more than the longest reply of the number protocol: an int64 and its
// sentinel, 21 bytes.
const maxReply = 32

var errClosed = errors.New("the server closed the connection")

// numberConn is a client's connection in the original number protocol.
//
// Package legacytcp's NumberConn is for programs with one connection. It watches a context
// for every draw, which costs as much as the server's part; it has a larger buffer; and it
// can neither read without a request nor close one direction. This one, in turn, needs the
// sentinel, without which only time tells where a reply ends.
type numberConn struct {
	net.Conn
	in   [maxReply]byte
	have int // how much of in is to be used
	out  []byte
}

// dialNumbers connects as the client with that ID and returns the value that the
// server has for it. It sends the ID bare, as the original clients do.
func dialNumbers(ctx context.Context, addr string, id int32) (*numberConn, int64, error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return nil, 0, err
	}
	defer expire(ctx, nc)()
	c := &numberConn{Conn: nc}
	last, err := c.register(id)
	if err != nil {
		nc.Close()
		if errors.Is(err, io.EOF) {
			err = errClosed
		}
		return nil, 0, fmt.Errorf("registering a client: %w", err)
	}
	return c, last, nil
}

func (c *numberConn) register(id int32) (int64, error) {
	c.out = strconv.AppendInt(c.out[:0], int64(id), 10)
	if _, err := c.Write(c.out); err != nil {
		return 0, err
	}
	return c.reply()
}

// report reports a value.
func (c *numberConn) report(value int64) error {
	c.out = append(strconv.AppendInt(c.out[:0], value, 10), ' ')
	_, err := c.Write(c.out)
	return err
}

// ask draws a number, even or odd, which reply then returns.
func (c *numberConn) ask(parity numbersv1.Parity) error {
	c.out = append(c.out[:0], "even "...)
	if parity == numbersv1.Parity_PARITY_ODD {
		c.out = append(c.out[:0], "odd "...)
	}
	_, err := c.Write(c.out)
	return err
}

// reply returns the next number that the server sends. After a deadline the next call
// continues where this one was.
func (c *numberConn) reply() (int64, error) {
	for {
		if end := bytes.IndexByte(c.in[:c.have], ' '); end >= 0 {
			n, err := strconv.ParseInt(string(c.in[:end]), 10, 64)
			c.have = copy(c.in[:], c.in[end+1:c.have])
			return n, err
		}
		if c.have == len(c.in) {
			return 0, fmt.Errorf("got %q, which is no number", c.in)
		}
		n, err := c.Read(c.in[c.have:])
		c.have += n
		switch {
		case n > 0:
		case errors.Is(err, io.EOF) && c.have > 0:
			return 0, fmt.Errorf("got %q and then no more", c.in[:c.have])
		default:
			return 0, err
		}
	}
}

// replyBy is reply with a deadline.
func (c *numberConn) replyBy(t time.Time) (int64, error) {
	c.SetReadDeadline(t)
	return c.reply()
}

// checkQuiet returns an error if there is unexpected input.
func (c *numberConn) checkQuiet() error {
	if c.have > 0 {
		return fmt.Errorf("got %q without a request", c.in[:c.have])
	}
	return nil
}

// closeWrite half-closes the connection. Replies can still be read.
func (c *numberConn) closeWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// reset closes the connection as a client that dies does. That leaves no port in
// TIME_WAIT, of which there are too few for 10,001 clients that often reconnect.
func (c *numberConn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0) // then it is just closed
	c.Close()
}

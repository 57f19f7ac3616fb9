package legacytcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// replyQuiet is how long a number without a sentinel waits for more digits.
const replyQuiet = 20 * time.Millisecond

// ErrNotFound means that the server does not have the file.
var ErrNotFound = errors.New("file not found")

// KnownNotFound are the replies by which original servers say that they do not have a
// file.
var KnownNotFound = []string{DefaultNotFound, "File does not exist"}

// NumberConn is a client's connection in the number dialect. Report and Close
// may be called while a Draw waits.
type NumberConn struct {
	nc net.Conn

	mu     sync.Mutex // guards the fields below; held by the one Draw that waits
	in     input
	broken error // why no more draws are possible
}

// DialNumbers connects to addr as client id and returns the value that the
// server has for it. It sends the ID bare, and accepts bare replies, as the original
// programs do. It never asks for a number before the one before has arrived: an original
// server would answer in reverse order, with nothing between the numbers.
func DialNumbers(ctx context.Context, addr string, id int32) (*NumberConn, int64, error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return nil, 0, err
	}
	c := &NumberConn{nc: nc}
	last, err := c.ask(ctx, strconv.AppendInt(nil, int64(id), 10))
	if err != nil {
		nc.Close()
		return nil, 0, fmt.Errorf("registering client %d: %w", id, err)
	}
	return c, last, nil
}

// Report reports the value that the client has counted to.
func (c *NumberConn) Report(value int64) error {
	_, err := c.nc.Write(appendRequest(nil, requestReport, value))
	return err
}

// Draw draws a number. PARITY_UNSPECIFIED: either parity, at random. After an error, even
// that of ctx, the connection can only be closed: a late reply would be taken for the
// next one.
func (c *NumberConn) Draw(ctx context.Context, p numbersv1.Parity) (int32, error) {
	kind := requestEven
	if p == numbersv1.Parity_PARITY_ODD || p == numbersv1.Parity_PARITY_UNSPECIFIED && rand.N(2) == 0 {
		kind = requestOdd
	}
	n, err := c.ask(ctx, appendRequest(nil, kind, 0))
	if err == nil && int64(int32(n)) != n {
		err = fmt.Errorf("got %d, which is no increment", n)
	}
	if err != nil {
		return 0, fmt.Errorf("drawing a number: %w", err)
	}
	return int32(n), nil
}

// Close closes the connection.
func (c *NumberConn) Close() error { return c.nc.Close() }

// ask writes req and returns the number that answers it.
func (c *NumberConn) ask(ctx context.Context, req []byte) (n int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return 0, c.broken
	}
	release := bind(ctx, c.nc)
	defer func() {
		err = release(err)
		c.broken = err
	}()
	if _, err := c.nc.Write(req); err != nil {
		return 0, err
	}
	reply, err := c.readReply()
	if err != nil {
		return 0, err
	}
	if rest := c.in.unread(); len(rest) > 0 {
		return 0, fmt.Errorf("got %q after the reply", rest)
	}
	return strconv.ParseInt(string(reply), 10, 64)
}

// readReply returns one number, which is complete at its sentinel or, from a
// server that sends bare replies, after the quiet or at EOF.
func (c *NumberConn) readReply() ([]byte, error) {
	for {
		reply, state := c.in.next()
		switch state {
		case frameComplete:
			return reply, nil
		case frameTooLong:
			return nil, fmt.Errorf("got %q, which is no number", c.in.unread())
		}
		bare := len(c.in.unread()) > 0
		if bare {
			c.nc.SetReadDeadline(time.Now().Add(replyQuiet))
		}
		n, err := c.nc.Read(c.in.space())
		c.in.added(n)
		switch {
		case n > 0:
		case bare && isTimeout(err):
			// Nothing reads between two calls of ask, so only the context of the
			// next one can set a deadline again.
			return c.in.take(), c.nc.SetReadDeadline(time.Time{})
		case bare && errors.Is(err, io.EOF):
			return c.in.take(), nil
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// List returns the names of the files in the cache of the server at addr.
func List(ctx context.Context, addr string) (names []string, err error) {
	nc, err := request(ctx, addr, "list")
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	release := bind(ctx, nc)
	defer func() { err = release(err) }()

	pickle, err := io.ReadAll(io.LimitReader(nc, maxList+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("receiving the list: %w", err)
	case len(pickle) > maxList:
		return nil, errListTooLong
	}
	return unpickleNames(pickle)
}

// Fetch writes the file of that name from the server at addr to w, and returns how many
// bytes it wrote. The error is ErrNotFound, and nothing is written, if the reply is
// exactly one of notFound, or of KnownNotFound if there are none: the protocol cannot tell
// a file with that content from a missing one. A reset is an error: the file is
// incomplete.
//
// A port with both dialects takes digits, alone or followed by a space, for a client ID.
// Files with such names are available only on a port with the file dialect alone.
func Fetch(ctx context.Context, addr, name string, w io.Writer, notFound ...string) (n int64, err error) {
	if name == "" || name == "list" || len(name) > maxName {
		return 0, fmt.Errorf("%q cannot be asked for in this protocol", name)
	}
	if len(notFound) == 0 {
		notFound = KnownNotFound
	}
	nc, err := request(ctx, addr, name)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	release := bind(ctx, nc)
	defer func() { err = release(err) }()

	longest := 0
	for _, text := range notFound {
		longest = max(longest, len(text))
	}
	head := make([]byte, longest+1) // one byte more than a text, to see whether it is all
	k, err := io.ReadFull(nc, head)
	head = head[:k]
	whole := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case whole && slices.Contains(notFound, string(head)):
		return 0, ErrNotFound
	case err != nil && !whole:
		return 0, fmt.Errorf("receiving %q: %w", name, err)
	}
	if k, err = w.Write(head); err != nil || whole {
		return int64(k), err
	}
	n, err = io.Copy(w, nc)
	if err != nil {
		err = fmt.Errorf("receiving %q: %w", name, err)
	}
	return int64(k) + n, err
}

// request connects to addr and sends the request of the file dialect.
func request(ctx context.Context, addr, req string) (net.Conn, error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(nc, req); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// bind makes reads and writes of nc fail when ctx ends. The function that it returns
// undoes that, and replaces the error of such a read or write by that of ctx.
func bind(ctx context.Context, nc net.Conn) (release func(error) error) {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	return func(err error) error {
		if !stop() {
			return context.Cause(ctx)
		}
		return err
	}
}

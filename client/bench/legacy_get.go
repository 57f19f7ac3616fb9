package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// readSize is the size of a client's reads, in bytes: enough that its system calls do
	// not limit the server.
	readSize = 256 << 10
	// notFound is what the original server answers for a file that it does not
	// have.
	notFound = "File not found"
)

// LegacyGet gets files over the original file protocol, one on each connection, and checks
// their size.
//
// It does not use Fetch of package legacytcp, which allocates a buffer for each file.
type LegacyGet struct {
	Addr  string
	Files []string // what each client asks for in turn
	Rate  int64    // the most bytes a second that one client takes; 0: no limit

	addr  string           // Addr, resolved
	sizes map[string]int64 // of Files, as they were at first
}

var _ Load = (*LegacyGet)(nil)

func (l *LegacyGet) name() string            { return "legacy-get" }
func (l *LegacyGet) sockets(clients int) int { return clients }

// prepare gets every file once, to learn its size, which the protocol does not tell, and
// to fill a server's cache.
func (l *LegacyGet) prepare(ctx context.Context) error {
	addr, err := resolve(ctx, l.Addr)
	if err != nil {
		return err
	}
	l.addr, l.sizes = addr, make(map[string]int64)
	buf := make([]byte, readSize)
	for _, name := range l.Files {
		size, err := fetch(ctx, addr, name, buf, func(int) {})
		if err == nil && size == int64(len(notFound)) && string(buf[:size]) == notFound {
			err = errors.New("no such file")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		l.sizes[name] = size
	}
	return nil
}

// resolve returns addr with an IP address in place of a host name, so that it is not
// resolved for every connection.
func resolve(ctx context.Context, addr string) (string, error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	return nc.RemoteAddr().String(), nil
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

func (l *LegacyGet) connect(_ context.Context, _ int, t *tally) (client, error) {
	return &legacyGetClient{load: l, t: t, buf: make([]byte, readSize)}, nil
}

type legacyGetClient struct {
	load *LegacyGet
	t    *tally
	buf  []byte
	next int
}

func (c *legacyGetClient) work(ctx context.Context) { c.t.repeat(ctx, c.get) }
func (c *legacyGetClient) end(context.Context)      {}

// get gets the next file.
func (c *legacyGetClient) get(ctx context.Context) error {
	name := c.load.Files[c.next%len(c.load.Files)]
	c.next++
	size, err := fetch(ctx, c.load.addr, name, c.buf, c.t.takes(ctx, c.load.Rate))
	if err == nil && size != c.load.sizes[name] {
		err = fmt.Errorf("%q had %d bytes, now %d", name, c.load.sizes[name], size)
	}
	return err
}

// fetch gets one file, reading into buf, and returns its size.
func fetch(ctx context.Context, addr, name string, buf []byte, took func(n int)) (size int64, err error) {
	nc, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	defer expire(ctx, nc)()
	if _, err := io.WriteString(nc, name); err != nil {
		return 0, err
	}
	for {
		n, err := nc.Read(buf)
		if n > 0 {
			size += int64(n)
			took(n)
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		} else if err != nil {
			return size, err
		}
	}
}

// expire makes reads and writes of nc fail when ctx ends, until stop is called.
func expire(ctx context.Context, nc net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
}

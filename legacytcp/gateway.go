package legacytcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Metadata that the gateway sends with every call it makes, so that a service
// can tell where the call really came from.
const (
	MetadataDoor = "parity-door" // always "legacy"
	MetadataPeer = "parity-peer" // IP:port of the legacy client
)

// DefaultNotFound is what the original server answers for a file that it does
// not have.
const DefaultNotFound = "File not found"

// Pauses after an accept that failed for want of descriptors or memory; they
// double from the first to the second, as net/http's do.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Config says what a Gateway serves and how. Only the two services are needed.
type Config struct {
	// Numbers and Files are the services that the legacy clients' requests go
	// to.
	Numbers numbersv1.NumberServiceClient
	Files   filesv1.FileServiceClient

	// Logger gets the reason of every close and every bad frame. Nil: discard.
	Logger *slog.Logger
	// Metrics counts connections and bad frames. Nil: nobody does.
	Metrics Metrics

	// Allow lists where clients may connect from. IPv4 clients of an IPv6 socket
	// are matched as IPv4. Empty: everyone.
	Allow []netip.Prefix
	// NotFound is the answer to a request for a file that does not exist.
	// Empty: DefaultNotFound.
	NotFound string
	// BareReplies leaves the sentinel off the replies of the number dialect,
	// byte for byte as the original server did. Default: false.
	BareReplies bool

	// Limits, of which every zero field means its default.
	Limits Limits
}

// Limits bounds what one client can take from the others. The limits of the
// protocols themselves, such as the length of a frame, cannot be changed.
type Limits struct {
	// MaxConns is the most connections at a time, over all listeners; the next
	// one is closed at once. Default: 16,384.
	MaxConns int
	// FirstByteTimeout is how long a client may take to send its first byte.
	// Default: 10 s.
	FirstByteTimeout time.Duration
	// IdleTimeout is how long a client of the number dialect may send nothing.
	// Default: 5 min, many times the original's 500 ms between reports.
	IdleTimeout time.Duration
	// WriteTimeout is how long a write may go without one byte of progress.
	// Default: 30 s.
	WriteTimeout time.Duration
	// Quiet is how long no byte may come until a request without a terminator
	// is taken for complete. Default: 20 ms.
	Quiet time.Duration
	// UpstreamWait is how long a new connection waits for a service that is
	// UNAVAILABLE. Default: 5 s.
	UpstreamWait time.Duration
	// UpstreamRecovery is how long a number session that is under way does, and
	// how long any first response may take. Default: 30 s.
	UpstreamRecovery time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxConns:         cmp.Or(l.MaxConns, 16_384),
		FirstByteTimeout: cmp.Or(l.FirstByteTimeout, 10*time.Second),
		IdleTimeout:      cmp.Or(l.IdleTimeout, 5*time.Minute),
		WriteTimeout:     cmp.Or(l.WriteTimeout, 30*time.Second),
		Quiet:            cmp.Or(l.Quiet, 20*time.Millisecond),
		UpstreamWait:     cmp.Or(l.UpstreamWait, 5*time.Second),
		UpstreamRecovery: cmp.Or(l.UpstreamRecovery, 30*time.Second),
	}
}

// Metrics is told what happens to connections. Every accepted connection is one
// Opened and, later, one Closed, also if it is refused at once; so a gauge that
// both move shows how many are open. The methods are called concurrently.
type Metrics interface {
	Opened()
	Closed(Reason)
	BadFrame()
}

type noMetrics struct{}

func (noMetrics) Opened()       {}
func (noMetrics) Closed(Reason) {}
func (noMetrics) BadFrame()     {}

// Dialects says what is spoken on a port.
type Dialects int

const (
	Both      Dialects = iota // the first bytes of a connection tell which
	FilesOnly                 // the file dialect, whatever the first bytes are
)

// Gateway serves legacy clients on any number of listeners. Its limits count
// over all of them.
type Gateway struct {
	cfg    Config
	limits Limits

	draining chan struct{} // closed when Shutdown begins
	cut      atomic.Bool   // set when Shutdown's patience is over
	wg       sync.WaitGroup

	mu        sync.Mutex // guards the fields below, and that wg grows only until draining
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
}

// New returns a Gateway that serves as cfg says.
func New(cfg Config) *Gateway {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics{}
	}
	cfg.NotFound = cmp.Or(cfg.NotFound, DefaultNotFound)
	return &Gateway{
		cfg:       cfg,
		limits:    cfg.Limits.withDefaults(),
		draining:  make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
	}
}

// Serve accepts connections from l, and closes l when it returns: nil after
// Shutdown, else the error that l failed with. The connections are served on
// their own goroutines and outlive it.
//
// TCP keepalive is the listener's business; those of net.Listen keep alive every
// 15 s.
func (g *Gateway) Serve(l net.Listener, d Dialects) error {
	defer l.Close()
	if !g.track(l) {
		return nil
	}
	defer g.untrack(l)

	var pause time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			g.accept(nc, d)
		case g.isDraining():
			return nil
		case !isTransient(err):
			return fmt.Errorf("legacytcp: accept: %w", err)
		default:
			pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
			g.cfg.Logger.Warn("legacy accept failed, trying again", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-g.draining:
			}
		}
	}
}

// isTransient reports whether a later Accept may succeed: the client was gone
// already, or the process or the system is short of something.
func isTransient(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// accept serves nc on a goroutine of its own, or closes it.
func (g *Gateway) accept(nc net.Conn, d Dialects) {
	g.cfg.Metrics.Opened()
	c := newConn(g, nc, d)
	if reason := g.admit(c); reason != "" {
		// The kernel resets nc if it has sent something already. Nothing is
		// lost by that, and a goroutine for it would be.
		nc.Close()
		c.report(ending{reason: reason})
		return
	}
	go c.run()
}

// admit takes c among the connections, or tells why not.
func (g *Gateway) admit(c *conn) (refused Reason) {
	if !allowed(g.cfg.Allow, c.addr.Addr()) {
		return ReasonNotAllowed
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.isDraining():
		return ReasonShutdown
	case len(g.conns) >= g.limits.MaxConns:
		return ReasonOverCapacity
	}
	g.conns[c] = struct{}{}
	g.wg.Add(1)
	return ""
}

// release undoes admit.
func (g *Gateway) release(c *conn) {
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	g.wg.Done()
}

func allowed(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr.WithZone("")) { // no prefix contains a zoned address
			return true
		}
	}
	return len(prefixes) == 0
}

func (g *Gateway) track(l net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isDraining() {
		return false
	}
	g.listeners[l] = struct{}{}
	return true
}

func (g *Gateway) untrack(l net.Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.listeners, l)
}

func (g *Gateway) isDraining() bool {
	select {
	case <-g.draining:
		return true
	default:
		return false
	}
}

// Shutdown ends the gateway:
//
//  1. The listeners are closed, and Serve returns.
//  2. Connections that have sent no request are closed. Number sessions process
//     what has arrived, wait until it is durable, and are closed. Requests for
//     files are answered to their end. Nobody waits for a service that is
//     UNAVAILABLE any more.
//  3. When ctx ends, what is left is cut: calls are cancelled and connections
//     reset. Shutdown then returns ctx's error, else nil.
//
// It returns when the last connection's goroutine is gone, whatever ctx says.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.drain()
	done := make(chan struct{})
	go func() {
		g.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	g.cutAll()
	<-done
	return ctx.Err()
}

func (g *Gateway) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isDraining() {
		return
	}
	close(g.draining)
	for l := range g.listeners {
		l.Close()
	}
	for c := range g.conns {
		c.wake()
	}
}

func (g *Gateway) cutAll() {
	g.cut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.cancel()
		c.reset()
	}
}

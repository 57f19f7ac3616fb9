package legacytcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Metadata of every call of the gateway, by which a service can tell where the call
// came from.
const (
	MetadataDoor = "parity-door" // always DoorName
	MetadataPeer = "parity-peer" // IP:port of the legacy client
)

// DoorName is the name of the gateway's door.
const DoorName = "legacy"

// Pauses after an accept that failed for lack of descriptors or memory. They double
// from the first to the second, as in net/http.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// maxIdle is how many idle goroutines are kept for new connections. A new goroutine has
// to grow its stack twice, which takes a tenth of the time of a short file. Connections
// beyond them get new goroutines.
const maxIdle = 64

// cutTime is how long Shutdown waits for connections that it has cut off. One that
// takes longer is in a call that ignores its context.
const cutTime = 2 * time.Second

// Dialects are the dialects that a port accepts.
type Dialects int

// The dialects.
const (
	Both      Dialects = iota // the first bytes of a connection decide
	FilesOnly                 // the file dialect, whatever the first bytes are
)

// Gateway serves legacy clients on any number of listeners, which share its limits.
type Gateway struct {
	cfg    Config
	limits Limits

	draining chan struct{}  // closed when Shutdown begins
	cut      atomic.Bool    // set when Shutdown cuts off connections
	wg       sync.WaitGroup // of connections, and of the goroutines that serve them
	waiting  chan *conn     // to an idle goroutine
	idle     atomic.Int32   // number of idle goroutines
	tally    tally

	mu        sync.Mutex // guards the fields below, and keeps connections from being added while draining
	listeners map[net.Listener]struct{}
	places    admission
}

// New returns a Gateway.
func New(cfg Config) *Gateway {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = noMetrics{}
	}
	cfg.NotFound = cmp.Or(cfg.NotFound, DefaultNotFound)
	limits := cfg.Limits.withDefaults()
	return &Gateway{
		cfg:       cfg,
		limits:    limits,
		draining:  make(chan struct{}),
		waiting:   make(chan *conn),
		tally:     tally{log: cfg.Logger},
		listeners: make(map[net.Listener]struct{}),
		places:    newAdmission(limits, cfg.TrustedNetworks),
	}
}

// Serve accepts connections from l until Shutdown, and then returns nil, or until l
// fails, and then returns its error. It closes l. Other goroutines serve the connections,
// also after Serve has returned.
//
// TCP keepalive is up to the listener; that of net.Listen is 15 s.
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

// isTransient reports whether a later Accept may succeed: the client has disconnected,
// or the process or the system lacks a resource.
func isTransient(err error) bool {
	for _, errno := range transient {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// accept starts serving nc, or closes it.
func (g *Gateway) accept(nc net.Conn, d Dialects) {
	g.cfg.Metrics.Opened()
	c := newConn(g, nc, d)
	if reason := g.admit(c); reason != "" {
		// The kernel resets nc if the client has sent something. A goroutine that
		// read it first would cost more than that is worth.
		nc.Close()
		c.logEnd(ending{reason: reason})
		return
	}
	select {
	case g.waiting <- c:
	default:
		g.wg.Add(1) // c is counted already, so that no Wait has returned
		go g.work(c)
	}
}

// work serves c, and then further connections.
func (g *Gateway) work(c *conn) {
	defer g.wg.Done()
	for {
		c.run()
		c = nil // an idle goroutine must not keep it in memory
		if g.idle.Add(1) > maxIdle {
			g.idle.Add(-1)
			return
		}
		select {
		case c = <-g.waiting:
			g.idle.Add(-1)
		case <-g.draining:
			return
		}
	}
}

// admit adds c to the connections, or returns why not.
func (g *Gateway) admit(c *conn) (refused Reason) {
	if len(g.cfg.Allow) > 0 && !contains(g.cfg.Allow, c.addr.Addr()) {
		return ReasonNotAllowed
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isDraining() {
		return ReasonShutdown
	}
	lost, refused := g.places.add(c)
	if refused != "" {
		return refused
	}
	if lost != nil {
		lost.nc.Close() // its goroutine notices
	}
	g.wg.Add(1)
	return ""
}

// heard records that c has sent something, or never will. It reports whether c still
// has its place.
func (g *Gateway) heard(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.places.heard(c)
}

// release undoes admit.
func (g *Gateway) release(c *conn) {
	g.mu.Lock()
	g.places.remove(c)
	g.mu.Unlock()
	g.wg.Done()
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
//  2. Connections without a request are closed. Number sessions process the frames that
//     have arrived, wait until the values are durable, and are closed. Requests for files
//     are answered completely. Nothing waits for an UNAVAILABLE service any more.
//  3. When ctx ends, the remaining calls are cancelled and their connections reset.
//     Shutdown then returns ctx's error, else nil.
//
// It returns when no connection and no goroutine is left, and at most 2 s after the end
// of ctx, even if a service hangs and ignores its context.
func (g *Gateway) Shutdown(ctx context.Context) error {
	defer g.tally.flush()
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
	select {
	case <-done:
		return ctx.Err()
	case <-time.After(cutTime):
		return fmt.Errorf("legacytcp: a service ignores that its calls are cancelled: %w", ctx.Err())
	}
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
	for c := range g.places.conns {
		c.wake()
	}
}

func (g *Gateway) cutAll() {
	g.cut.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.places.conns {
		c.cancel()
		c.reset()
	}
}

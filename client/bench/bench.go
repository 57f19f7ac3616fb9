// Package bench puts load on a server and measures throughput, latency and errors, as
// clients see them.
//
// Run runs a Load: [Get], [Draw] and [Count] over gRPC, [LegacyGet], [LegacyDraw] and
// [LegacyCount] over the original TCP protocols. A client sends its next request as soon
// as it has an answer, so the latency is that of a server under the full load of that many
// clients. Only LegacyCount keeps the pace of the original clients. Every answer is checked,
// and a wrong one is an error. The memory of a run does not grow with its length.
package bench

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// atOnce is how many clients connect, or end, at a time. 10,001 at once would overflow
	// the server's accept queue.
	atOnce = 256
	// patience is how long a client waits for data before that is an error.
	patience = 10 * time.Second
)

// Options configure a run.
type Options struct {
	Clients  int           // how many there are at once, at least 1
	For      time.Duration // how long they work, from when all are connected
	Progress io.Writer     // a terminal on which to show the progress; nil: none
	PID      int           // the server's process, whose memory and processor time are measured; 0: none. Linux only
}

// Load is the work of clients.
type Load interface {
	// name is the name of the load in the result.
	name() string
	// sockets returns how many descriptors so many clients need.
	sockets(clients int) int
	// prepare prepares the run, once. Its error ends the run.
	prepare(ctx context.Context) error
	// connect creates the i-th client, which counts its operations in t.
	connect(ctx context.Context, i int, t *tally) (client, error)
}

// client is one client of a load. One goroutine uses it at a time.
type client interface {
	// work works until ctx is done.
	work(ctx context.Context)
	// end runs the checks after the work, and disconnects.
	end(ctx context.Context)
}

// Run connects the clients, lets them work, and returns the result. The work ends early if
// ctx is done. It returns an error if there is no result: no client could connect, or ctx
// was done before.
func Run(ctx context.Context, load Load, opts Options) (*Result, error) {
	if opts.Clients < 1 {
		return nil, fmt.Errorf("%d clients are too few", opts.Clients)
	}
	if err := checkLimit(load.sockets(opts.Clients)); err != nil {
		return nil, err
	}
	watch, err := watchProcess(opts.PID)
	if err != nil {
		return nil, err
	}
	if err := load.prepare(ctx); err != nil {
		return nil, err
	}
	r := newRun(load, opts)
	if err := watch.idle(); err != nil {
		return nil, err
	}
	if err := r.connect(ctx); err != nil {
		r.end(ctx)
		return nil, err
	}
	if err := watch.begin(); err != nil {
		r.end(ctx)
		return nil, err
	}
	elapsed := r.work(ctx)
	// The server may have ended; the result is still valid.
	use, _ := watch.end(len(r.clients))
	r.end(ctx)
	return r.result(elapsed, use), nil
}

// run is a load in progress.
type run struct {
	load    Load
	opts    Options
	tallies []*tally
	latency latencies
	errors  errorLog

	mu      sync.Mutex
	clients []client // those connected
	ended   atomic.Int64
}

func newRun(load Load, opts Options) *run {
	r := &run{load: load, opts: opts, tallies: make([]*tally, opts.Clients), latency: newLatencies(opts.Clients)}
	for i := range r.tallies {
		r.tallies[i] = &tally{latency: r.latency.of(i), errors: &r.errors}
	}
	return r
}

// connect connects the clients. It fails if none can.
func (r *run) connect(ctx context.Context) error {
	defer show(r.opts.Progress, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		return fmt.Sprintf("connected: %d of %d", len(r.clients), len(r.tallies))
	})()
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, t := range r.tallies {
		all.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			c, err := r.load.connect(ctx, i, t)
			if err != nil {
				r.errors.add(err)
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.clients = append(r.clients, c)
			return nil
		})
	}
	if err := all.Wait(); err != nil && (len(r.clients) == 0 || ctx.Err() != nil) {
		return err
	}
	return ctx.Err()
}

// work lets the clients work and returns how long they did.
func (r *run) work(ctx context.Context) time.Duration {
	// Not a context with a deadline: gRPC would send it to the server.
	ctx, cancel := context.WithCancel(ctx)
	defer time.AfterFunc(r.opts.For, cancel).Stop()
	began := time.Now()
	defer show(r.opts.Progress, func() string {
		elapsed := time.Since(began)
		return fmt.Sprintf("%v of %v: %s", elapsed.Round(time.Second), r.opts.For, r.result(elapsed, nil).rates())
	})()

	var working sync.WaitGroup
	for _, c := range r.clients {
		working.Go(func() { c.work(ctx) })
	}
	<-ctx.Done()
	elapsed := time.Since(began)
	working.Wait()
	return elapsed
}

// end ends the clients, even if ctx is done.
func (r *run) end(ctx context.Context) {
	defer show(r.opts.Progress, func() string {
		return fmt.Sprintf("ended: %d of %d", r.ended.Load(), len(r.clients))
	})()
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, c := range r.clients {
		all.Go(func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			c.end(ctx)
			r.ended.Add(1)
			return nil
		})
	}
	_ = all.Wait() // there are none
}

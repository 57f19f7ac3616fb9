// Package bench puts load on a server and measures, by what any client can see,
// what the server does with it: throughput, latency and errors.
//
// Run runs a Load: [Get], [Draw] and [Count] over gRPC, [LegacyGet], [LegacyDraw]
// and [LegacyCount] over the original TCP protocols. The clients of a load ask
// again as soon as they are answered, so that the latency is that of a server as
// busy as so many clients can make it; only those of LegacyCount keep the time
// that the original clients keep. Every answer is checked, and one that is wrong
// is an error. The memory that a run takes does not grow with its length.
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
	// atOnce is how many clients connect, or end, at a time. All 10,001 in one
	// instant would overflow the server's queue of connections to be accepted.
	atOnce = 256
	// patience is how long a client waits for something to arrive before that is
	// an error.
	patience = 10 * time.Second
)

// Options are what can be set of any load.
type Options struct {
	Clients  int           // how many there are at once, at least 1
	For      time.Duration // how long they work, from when all are connected
	Progress io.Writer     // a terminal to show the state of things on; nil: none
	PID      int           // the server's process, whose use of the machine is reported; 0: none. Linux only
}

// Load is what clients do.
type Load interface {
	// name is the name of the load in the result.
	name() string
	// sockets returns how many descriptors that many clients take.
	sockets(clients int) int
	// prepare does, once, what the clients count on. Its error ends the run.
	prepare(ctx context.Context) error
	// connect makes the i-th client, which notes what it does in t.
	connect(ctx context.Context, i int, t *tally) (client, error)
}

// client is one client of a load. One goroutine uses it at a time.
type client interface {
	// work works until ctx is done.
	work(ctx context.Context)
	// end does what is to be checked after the work, and disconnects.
	end(ctx context.Context)
}

// Run connects the clients, lets them work, and reports what came of it. If ctx
// is done earlier than opts say, so is the work. It returns an error if there is
// nothing to report: no client could connect, or ctx was done before.
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
	// The server may be gone by now; what it did is worth reporting all the same.
	use, _ := watch.end(len(r.clients))
	r.end(ctx)
	return r.result(elapsed, use), nil
}

// run is a load under way.
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

// work lets the clients work and returns for how long they did.
func (r *run) work(ctx context.Context) time.Duration {
	// Not a context with a deadline: gRPC would tell the server of it.
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

// end ends the clients, also if ctx is done: whoever wants to know less has to
// kill the program.
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

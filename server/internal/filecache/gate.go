package filecache

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var (
	// ErrDisk says that the disk does not answer, or not soon enough for all who ask.
	// The file may be there: ask again later.
	ErrDisk = errors.New("the disk does not answer")
	// errClosed says that the cache was closed.
	errClosed = errors.New("the file cache is closed")
)

const (
	// maxPlaces is the most operations that are in the hands of the disk at once. Each
	// takes a thread for as long as it lasts. More would not make a disk faster, and
	// the Go runtime ends a program that has 10,000.
	maxPlaces = 64
	// queuePatience is how long a caller waits for an operation to begin.
	queuePatience = 5 * time.Second
	// patience is how long a caller waits for an operation that has begun: a disk may
	// have to spin up, a file server to start again.
	patience = 30 * time.Second
	// hungAfter is how long an operation may take before the disk counts as hanging:
	// nobody is made to wait behind it any more.
	hungAfter = 5 * time.Second
	// workerIdle is how long a worker without work is kept.
	workerIdle = 5 * time.Second
)

// operation is a call of the file system, or a few in a row.
type operation interface {
	// run does it, on a goroutine of the gate. Its caller may have gone, and then
	// nobody looks at the results: what is opened must be kept or closed by run.
	run(*job)
}

// lane is what operations share that should not be under way at once: the same kind of
// operation on the same file.
type lane struct {
	kind kind
	name string
}

type kind uint8

const (
	statKind kind = iota
	openKind
	lookKind
	readKind
	scanKind
	closeKind
)

// shared reports whether callers can share an operation of that kind. They share only
// what has not begun when they come, so that its result is never older than their
// call.
func (k kind) shared() bool { return k <= lookKind }

// gate lets callers use the file system without being at its mercy. A system call
// on a file cannot be given up: it holds its thread for as long as the disk likes. So
// callers never make one themselves. They have it made by one of a fixed number of
// workers, and wait for that only as long as they want to. An operation that was given
// up goes on, and holds its place until the disk answers.
type gate struct {
	places int            // the most workers
	base   time.Time      // times are durations since then
	before func(lane)     // for tests: called before each operation; nil: nothing
	limit  func(lane) int // the most operations of a lane at once, asked with mu held

	mu      sync.Mutex
	closed  bool
	workers []*worker
	idle    []*worker // the one that was busy last is used first: its stack is warm
	queue   list.List // of *job, waiting for a worker
	lanes   map[lane]*traffic
	unused  []*traffic // to be used again

	refused int64 // callers sent away
}

// worker is a goroutine that makes system calls.
type worker struct {
	jobs chan *job // 1 deep: who finds the worker idle never waits

	// Guarded by gate.mu.
	job *job          // what it does
	was time.Duration // when it last began something
}

// traffic is what goes on in a lane.
type traffic struct {
	running int       // operations that have a worker or wait for one
	waiting list.List // of *job, for their turn in the lane
	next    *job      // not begun yet; may be joined
}

func newGate(places int) *gate {
	return &gate{places: places, base: time.Now(), lanes: map[lane]*traffic{}}
}

func (g *gate) now() time.Duration { return time.Since(g.base) }

// do has an operation done and returns it, or another caller's that it shared. The
// error is ErrDisk, ctx's, or errClosed: then op must not be touched any more.
func do[T operation](ctx context.Context, g *gate, in lane, op T) (T, error) {
	var none T
	j, err := g.enter(in, op, false)
	if err != nil {
		return none, err
	}
	select {
	case <-j.done:
		if j.err != nil {
			return none, j.err
		}
		return j.op.(T), nil
	case <-ctx.Done():
		g.leave(j)
		return none, ctx.Err()
	}
}

// detach has an operation done that nobody waits for. If the cache is closed, or the
// disk hangs so that nothing can wait for it, it reports false.
func (g *gate) detach(in lane, op operation) bool {
	_, err := g.enter(in, op, true)
	return err == nil
}

// enter starts a job, or queues it.
func (g *gate) enter(in lane, op operation, detached bool) (*job, error) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed
	}
	t := g.lanes[in]
	if t == nil {
		t = g.newTraffic()
		g.lanes[in] = t
	}
	if in.kind.shared() && t.next != nil {
		t.next.join(detached)
		return t.next, nil
	}
	j := &job{op: op, gate: g, lane: in, done: make(chan struct{}), since: now}
	j.join(detached)
	wait := t.running > 0 && t.running >= g.limit(in)
	if (wait || len(g.idle) == 0 && len(g.workers) == g.places) && g.oldest(now) >= hungAfter {
		g.refused += int64(j.waiters)
		g.tidy(in, t)
		return nil, ErrDisk
	}
	if in.kind.shared() {
		t.next = j
	}
	if wait {
		j.wait(&t.waiting)
		return j, nil
	}
	t.running++
	g.start(j, now)
	return j, nil
}

// start gives a job to a worker, if one is free or may be hired, else it queues it.
func (g *gate) start(j *job, now time.Duration) {
	var w *worker
	switch {
	case len(g.idle) > 0:
		w = g.idle[len(g.idle)-1]
		g.idle = g.idle[:len(g.idle)-1]
	case len(g.workers) < g.places:
		w = &worker{jobs: make(chan *job, 1)}
		g.workers = append(g.workers, w)
		go g.work(w)
	default:
		j.state = queued
		j.wait(&g.queue)
		return
	}
	j.state, j.since = running, now
	if t := g.lanes[j.lane]; t.next == j {
		t.next = nil
	}
	w.job, w.was = j, now
	w.jobs <- j
}

// work is a worker's life.
func (g *gate) work(w *worker) {
	for j := range w.jobs {
		if g.before != nil {
			g.before(j.lane)
		}
		j.op.run(j)
		g.finish(w, j)
	}
}

// finish ends a job, and starts those that waited for it.
func (g *gate) finish(w *worker, j *job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.state != finished {
		j.end(nil)
	}
	w.job = nil
	if g.closed {
		close(w.jobs)
		return
	}
	g.idle = append(g.idle, w)
	if g.queue.Len() > 0 {
		next := g.queue.Front().Value.(*job)
		next.leave()
		g.start(next, g.now())
	}
	g.free(j.lane)
}

// free ends the turn of one operation in a lane.
func (g *gate) free(in lane) {
	t := g.lanes[in]
	t.running--
	for t.waiting.Len() > 0 && (t.running == 0 || t.running < g.limit(in)) {
		next := t.waiting.Front().Value.(*job)
		next.leave()
		t.running++
		g.start(next, g.now())
	}
	g.tidy(in, t)
}

func (g *gate) newTraffic() *traffic {
	if n := len(g.unused); n > 0 {
		t := g.unused[n-1]
		g.unused = g.unused[:n-1]
		return t
	}
	return &traffic{}
}

// tidy forgets a lane that nothing is in.
func (g *gate) tidy(in lane, t *traffic) {
	if t.running == 0 && t.waiting.Len() == 0 {
		delete(g.lanes, in)
		if len(g.unused) < g.places {
			g.unused = append(g.unused, t)
		}
	}
}

// leave is a caller giving up.
func (g *gate) leave(j *job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.waiters--; j.waiters == 0 && !j.detached {
		g.drop(j, context.Canceled)
	}
}

// drop ends a job that has not begun. One that has goes on.
func (g *gate) drop(j *job, err error) {
	was := j.state
	if was > queued {
		return
	}
	j.leave()
	j.end(err)
	t := g.lanes[j.lane]
	if t.next == j {
		t.next = nil
	}
	if was == queued {
		g.free(j.lane)
	} else {
		g.tidy(j.lane, t)
	}
}

// sweep sends callers away who have waited for too long, and workers who have had
// nothing to do.
func (g *gate) sweep() {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var late []*job
	find := func(in *list.List) {
		for e := in.Front(); e != nil; e = e.Next() {
			if j := e.Value.(*job); now-j.since >= queuePatience {
				late = append(late, j)
			}
		}
	}
	find(&g.queue)
	for _, t := range g.lanes {
		find(&t.waiting)
	}
	for _, j := range late {
		g.refused += int64(j.waiters)
		g.drop(j, ErrDisk)
	}
	for _, w := range g.workers {
		if j := w.job; j != nil && j.state == running && now-j.since >= patience {
			g.refused += int64(j.waiters)
			j.end(ErrDisk)
		}
	}
	// Those that have been idle for longest are in front.
	for len(g.idle) > 0 && now-g.idle[0].was >= workerIdle {
		w := g.idle[0]
		g.idle = slices.Delete(g.idle, 0, 1)
		g.workers = slices.Delete(g.workers, slices.Index(g.workers, w), slices.Index(g.workers, w)+1)
		close(w.jobs)
	}
}

// oldest returns how long the oldest operation has been with the disk.
func (g *gate) oldest(now time.Duration) time.Duration {
	var oldest time.Duration
	for _, w := range g.workers {
		if w.job != nil {
			oldest = max(oldest, now-w.job.since)
		}
	}
	return oldest
}

// health returns an error when the disk hangs.
func (g *gate) health() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if oldest := g.oldest(g.now()); oldest >= hungAfter {
		return fmt.Errorf("%w: an operation has taken %s so far", ErrDisk, oldest.Truncate(time.Second))
	}
	return nil
}

// stats returns how many operations are with the disk, and how many callers have been
// refused.
func (g *gate) stats() (busy int, refused int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.workers) - len(g.idle), g.refused
}

// close sends all callers away and ends the workers, but does not wait for those that
// the disk holds.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	for _, w := range g.workers {
		if w.job != nil && w.job.state == running {
			w.job.end(errClosed)
		}
	}
	for _, w := range g.idle {
		close(w.jobs)
	}
	abandon := func(in *list.List) {
		for e := in.Front(); e != nil; e = e.Next() {
			e.Value.(*job).end(errClosed)
		}
		in.Init()
	}
	abandon(&g.queue)
	for _, t := range g.lanes {
		abandon(&t.waiting)
	}
}

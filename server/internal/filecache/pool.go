package filecache

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrDisk means that the disk does not respond, or not in time for all callers. The
	// file may exist: try again later.
	ErrDisk = errors.New("the disk is not responding")
	// errClosed means that the cache was closed.
	errClosed = errors.New("the file cache is closed")
)

// maxWorkers is the maximum number of concurrent file system operations. Each takes a
// thread for as long as it lasts. More would not make a disk faster, and the Go runtime
// ends a program that has 10,000 threads.
const maxWorkers = 64

// operation is a sequence of file system calls.
type operation interface {
	// run executes it in a worker. If its callers have left, the results are not used: run
	// itself must keep or close what it opens.
	run(*job)
}

// lane identifies operations of one kind on one file. The number of concurrent operations
// in a lane is limited.
type lane struct {
	kind kind
	name string
}

type kind uint8

const (
	statKind kind = iota
	openKind
	refreshKind
	readKind
	scanKind
	closeKind
)

// isShared reports whether callers share operations of that kind. They share only an
// operation that has not begun, so that no result is older than its call.
func (k kind) isShared() bool { return k <= refreshKind }

// pool runs file system operations for callers that must not block on the disk. A system
// call on a file cannot be interrupted and holds its thread until the disk responds. So a
// fixed number of workers make these calls, and callers wait for them only as long as they
// want. An operation whose callers have left goes on and occupies its worker until the disk
// responds.
type pool struct {
	size     int            // the maximum number of workers
	base     time.Time      // durations in the pool count from here
	beforeOp func(lane)     // called before each operation; for tests, may be nil
	limit    func(lane) int // the maximum concurrency of a lane; called with mu held

	mu      sync.Mutex
	closed  bool
	workers []*worker
	idle    []*worker // most recently busy last; that one is used first: its stack is warm
	queue   list.List // of *job, waiting for a worker
	lanes   map[lane]*laneState
	spare   []*laneState // for reuse

	refused int64 // callers that got ErrDisk
}

// laneState is the state of a lane that has jobs.
type laneState struct {
	running int       // jobs that have a worker or wait for one
	waiting list.List // of *job, waiting until fewer jobs run in the lane
	next    *job      // has not begun; callers may join it
}

func newPool(size int) *pool {
	return &pool{size: size, base: time.Now(), lanes: map[lane]*laneState{}}
}

func (p *pool) now() time.Duration { return time.Since(p.base) }

// do runs op and returns it, or the operation of another caller that it shared. If the
// error is not nil (ErrDisk, ctx's, or errClosed), the caller must no longer use op.
func do[T operation](ctx context.Context, p *pool, in lane, op T) (T, error) {
	var none T
	j, err := p.submit(in, op, false)
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
		p.abandon(j)
		return none, ctx.Err()
	}
}

// detach runs op without a caller. It reports false if the cache is closed, or if op would
// have to wait and the disk hangs.
func (p *pool) detach(in lane, op operation) bool {
	_, err := p.submit(in, op, true)
	return err == nil
}

// submit starts or queues a job for op, or joins one.
func (p *pool) submit(in lane, op operation, detached bool) (*job, error) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	l := p.lanes[in]
	if l == nil {
		l = p.newLaneState()
		p.lanes[in] = l
	}
	if in.kind.isShared() && l.next != nil {
		l.next.join(detached)
		return l.next, nil
	}
	j := &job{op: op, pool: p, lane: in, done: make(chan struct{}), since: now}
	j.join(detached)
	wait := l.running > 0 && l.running >= p.limit(in)
	if (wait || len(p.idle) == 0 && len(p.workers) == p.size) && p.longestRunning(now) >= hungAfter {
		p.refused += int64(j.callers)
		p.prune(in, l)
		return nil, ErrDisk
	}
	if in.kind.isShared() {
		l.next = j
	}
	if wait {
		j.enqueue(&l.waiting)
		return j, nil
	}
	l.running++
	p.start(j, now)
	return j, nil
}

// abandon removes a caller from a job, and cancels the job if it was the last.
func (p *pool) abandon(j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.callers--; j.callers == 0 && !j.detached {
		p.cancel(j, context.Canceled)
	}
}

// cancel ends a job that has not begun. A job that has begun goes on.
func (p *pool) cancel(j *job, err error) {
	was := j.state
	if was > queued {
		return
	}
	j.dequeue()
	j.complete(err)
	l := p.lanes[j.lane]
	if l.next == j {
		l.next = nil
	}
	if was == queued {
		p.leaveLane(j.lane)
	} else {
		p.prune(j.lane, l)
	}
}

// leaveLane starts the jobs that waited for a running job of their lane to end.
func (p *pool) leaveLane(in lane) {
	l := p.lanes[in]
	l.running--
	for l.waiting.Len() > 0 && (l.running == 0 || l.running < p.limit(in)) {
		next := l.waiting.Front().Value.(*job)
		next.dequeue()
		l.running++
		p.start(next, p.now())
	}
	p.prune(in, l)
}

func (p *pool) newLaneState() *laneState {
	if n := len(p.spare); n > 0 {
		l := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return l
	}
	return &laneState{}
}

// prune removes a lane that has no jobs.
func (p *pool) prune(in lane, l *laneState) {
	if l.running == 0 && l.waiting.Len() == 0 {
		delete(p.lanes, in)
		if len(p.spare) < p.size {
			p.spare = append(p.spare, l)
		}
	}
}

// stats returns the number of operations in progress, and the number of callers that got
// ErrDisk.
func (p *pool) stats() (busy int, refused int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.workers) - len(p.idle), p.refused
}

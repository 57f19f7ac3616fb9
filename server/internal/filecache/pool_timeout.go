package filecache

import (
	"container/list"
	"fmt"
	"slices"
	"time"
)

const (
	// queueTimeout is how long a caller waits for an operation to begin.
	queueTimeout = 5 * time.Second
	// opTimeout is how long a caller waits for an operation that has begun. A disk may have
	// to spin up, or a file server to restart.
	opTimeout = 30 * time.Second
	// hungAfter is how long an operation may take before the disk counts as hanging. Then
	// callers that would have to wait get ErrDisk at once.
	hungAfter = 5 * time.Second
	// workerIdleTime is how long an idle worker is kept.
	workerIdleTime = 5 * time.Second
)

// expire ends jobs that have exceeded their timeout, and stops workers that have been idle
// for long.
func (p *pool) expire() {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var late []*job
	find := func(in *list.List) {
		for e := in.Front(); e != nil; e = e.Next() {
			if j := e.Value.(*job); now-j.since >= queueTimeout {
				late = append(late, j)
			}
		}
	}
	find(&p.queue)
	for _, l := range p.lanes {
		find(&l.waiting)
	}
	for _, j := range late {
		p.refused += int64(j.callers)
		p.cancel(j, ErrDisk)
	}
	for _, w := range p.workers {
		if j := w.job; j != nil && j.state == running && now-j.since >= opTimeout {
			p.refused += int64(j.callers)
			j.complete(ErrDisk)
		}
	}
	// The first has been idle for longest.
	for len(p.idle) > 0 && now-p.idle[0].was >= workerIdleTime {
		w := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		i := slices.Index(p.workers, w)
		p.workers = slices.Delete(p.workers, i, i+1)
		close(w.jobs)
	}
}

// longestRunning returns how long the oldest operation in progress has shown no progress.
func (p *pool) longestRunning(now time.Duration) time.Duration {
	var longest time.Duration
	for _, w := range p.workers {
		if w.job != nil {
			longest = max(longest, now-w.job.since)
		}
	}
	return longest
}

// health returns ErrDisk if the disk hangs.
func (p *pool) health() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if longest := p.longestRunning(p.now()); longest >= hungAfter {
		return fmt.Errorf("%w: an operation has been in progress for %s", ErrDisk, longest.Truncate(time.Second))
	}
	return nil
}

package filecache

import (
	"container/list"
	"time"
)

// worker is a goroutine that runs operations.
type worker struct {
	jobs chan *job // has a buffer of 1: handing a job to an idle worker never blocks

	// Guarded by pool.mu.
	job *job          // the current job; nil: idle
	was time.Duration // when the last job began
}

// start hands a job to an idle or a new worker, or queues it.
func (p *pool) start(j *job, now time.Duration) {
	var w *worker
	switch {
	case len(p.idle) > 0:
		w = p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
	case len(p.workers) < p.size:
		w = &worker{jobs: make(chan *job, 1)}
		p.workers = append(p.workers, w)
		go p.work(w)
	default:
		j.state = queued
		j.enqueue(&p.queue)
		return
	}
	j.state, j.since = running, now
	if l := p.lanes[j.lane]; l.next == j {
		l.next = nil
	}
	w.job, w.was = j, now
	w.jobs <- j
}

// work runs the jobs of a worker.
func (p *pool) work(w *worker) {
	for j := range w.jobs {
		if p.beforeOp != nil {
			p.beforeOp(j.lane)
		}
		j.op.run(j)
		p.finish(w, j)
	}
}

// finish ends a job and starts those that waited for it.
func (p *pool) finish(w *worker, j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.state != finished {
		j.complete(nil)
	}
	w.job = nil
	if p.closed {
		close(w.jobs)
		return
	}
	p.idle = append(p.idle, w)
	if p.queue.Len() > 0 {
		next := p.queue.Front().Value.(*job)
		next.dequeue()
		p.start(next, p.now())
	}
	p.leaveLane(j.lane)
}

// close ends all jobs with errClosed and stops the workers. It does not wait for operations
// in progress.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for _, w := range p.workers {
		if w.job != nil && w.job.state == running {
			w.job.complete(errClosed)
		}
	}
	for _, w := range p.idle {
		close(w.jobs)
	}
	p.idle, p.workers = nil, nil
	end := func(jobs *list.List) {
		for e := jobs.Front(); e != nil; e = e.Next() {
			e.Value.(*job).complete(errClosed)
		}
		jobs.Init()
	}
	end(&p.queue)
	for _, l := range p.lanes {
		end(&l.waiting)
	}
}

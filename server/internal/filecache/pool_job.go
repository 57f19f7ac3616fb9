package filecache

import (
	"container/list"
	"time"
)

// job is an operation in the pool.
type job struct {
	op   operation
	pool *pool
	lane lane
	done chan struct{} // closed when it has ended for its callers

	// The rest is guarded by pool.mu.
	state    state
	since    time.Duration // when it was submitted or, once running, last showed progress
	callers  int           // that wait for it
	detached bool          // runs also without callers
	err      error         // why op did not run to its end; set before done is closed
	in       *list.List    // the list that it waits in; nil: none
	at       *list.Element // its element there
}

type state uint8

const (
	waiting  state = iota // for its lane
	queued                // for a worker
	running               // in a worker
	finished              // for its callers; a worker may still run it
)

// join adds a caller, or notes that the job runs without one.
func (j *job) join(detached bool) {
	if detached {
		j.detached = true
	} else {
		j.callers++
	}
}

// enqueue appends the job to a list.
func (j *job) enqueue(in *list.List) { j.in, j.at = in, in.PushBack(j) }

// dequeue removes the job from the list that it waits in.
func (j *job) dequeue() {
	if j.in != nil {
		j.in.Remove(j.at)
		j.in, j.at = nil, nil
	}
}

// complete ends the job for its callers.
func (j *job) complete(err error) {
	j.state, j.err = finished, err
	close(j.done)
}

// progress records that a long operation makes progress, and so is not hanging. It reports
// whether the operation is still wanted.
func (j *job) progress() bool {
	now := j.pool.now()
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.since = now
	return j.state == running && (j.callers > 0 || j.detached)
}

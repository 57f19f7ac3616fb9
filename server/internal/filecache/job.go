package filecache

import (
	"container/list"
	"time"
)

// job is an operation on its way through the gate.
type job struct {
	op   operation
	gate *gate
	lane lane
	done chan struct{} // closed when it is over for those who wait

	// The rest is guarded by gate.mu.
	state    state
	since    time.Duration // when it was asked for or, once running, began
	waiters  int           // callers; 0: given up
	detached bool          // runs also without callers
	err      error         // why op was not done; set before done is closed
	in       *list.List    // where it waits
	at       *list.Element // and its place there
}

type state uint8

const (
	waiting  state = iota // for its lane
	queued                // for a worker
	running               // has a worker
	finished              // over for its callers; a worker may still have it
)

// join adds a caller, or notes that the job runs without one.
func (j *job) join(detached bool) {
	if detached {
		j.detached = true
	} else {
		j.waiters++
	}
}

// wait puts j at the end of a list.
func (j *job) wait(in *list.List) { j.in, j.at = in, in.PushBack(j) }

// leave takes j out of the list that it waits in.
func (j *job) leave() {
	if j.in != nil {
		j.in.Remove(j.at)
		j.in, j.at = nil, nil
	}
}

// end releases those who wait.
func (j *job) end(err error) {
	j.state, j.err = finished, err
	close(j.done)
}

// alive says that the operation gets on, though it takes long. It reports false when
// nobody waits for it any more.
func (j *job) alive() bool {
	now := j.gate.now()
	j.gate.mu.Lock()
	defer j.gate.mu.Unlock()
	j.since = now
	return j.state == running && (j.waiters > 0 || j.detached)
}

package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// groupAge is the longest that a change waits for others to be committed with
	// it, and the least time from one commit to the next: at most 100 a second, and
	// a change that comes alone does not wait.
	groupAge = 10 * time.Millisecond
	// groupRecords is how many records fill a group, so that it need not grow older,
	// and the most that go into one transaction: a few hundred kB.
	groupRecords = 4096
	// retryDelay is the time between attempts to write while they fail.
	retryDelay = 250 * time.Millisecond
	// closeWait is how long attempts go on when the store is closed.
	closeWait = 3 * time.Second
	// healthGrace is how long changes may stay unwritten before Health says so:
	// longer than a restart of Redis, shorter than a balancer's patience.
	healthGrace = 5 * time.Second
	// freshFor is how long changes that gather may wait for the first attempt to write
	// them before they are held back: far longer than groupAge and a busy machine
	// take, shorter than a client that gets no answer takes to move on. A process that
	// was stopped meanwhile comes back later than that.
	freshFor = 2 * time.Second
)

// committing says how a committer is to do it.
type committing[C any] struct {
	// write makes the changes durable, or some of them and returns an error; those that
	// are left in the map are then written again. It should return when ctx is done,
	// and must not keep the map.
	write func(ctx context.Context, changes map[int32]*C) error
	// hold is told, if it is not nil, of each change that may not have been the next
	// thing to be written: an attempt to write it has failed, it was made before such
	// an attempt failed or before another one succeeded, or it has waited for longer
	// than freshFor. It must not wait.
	hold func(*C)
	// failFast makes Commits fail along with the first attempt to write them.
	// Otherwise they wait until an attempt succeeds.
	failFast bool
	// check has an attempt made whenever it ticks, even if there is nothing to write.
	check <-chan time.Time
	log   *slog.Logger
}

// committer gathers changes into groups and writes group after group, each until
// that succeeds. A group holds one C for each client that changed. While one group
// is being written the next one gathers, and no others: so there are at most two Cs
// a client, however long writing takes.
type committer[C any] struct {
	committing[C]

	opened  chan struct{} // holds a token when open was begun
	filled  chan struct{} // holds a token when open is full
	closing chan struct{} // closed when no more changes will come
	done    chan struct{} // closed when the last were written or given up
	ctx     context.Context
	giveUp  context.CancelFunc // ends ctx, and with it the attempts

	mu     sync.Mutex
	open   *group[C]    // the group that gathers; nil if it has nothing
	spare  map[int32]*C // an empty map that has grown to the size of a group, or nil
	closed bool
	since  time.Time // start of the first attempt since one succeeded; zero: none
	err    error     // of the last attempt
	lost   int       // how many clients' changes were given up
}

type group[C any] struct {
	commit  *Commit // nil once it has failed
	changes map[int32]*C
	opened  time.Time
}

func newCommitter[C any](how committing[C]) *committer[C] {
	c := &committer[C]{
		committing: how,
		opened:     make(chan struct{}, 1),
		filled:     make(chan struct{}, 1),
		closing:    make(chan struct{}),
		done:       make(chan struct{}),
	}
	c.ctx, c.giveUp = context.WithCancel(context.Background())
	go c.run()
	return c
}

// update has change change what the gathering group holds of a client. After Close
// it does not.
func (c *committer[C]) update(id int32, change func(*C)) *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return committed(errClosed)
	}
	g := c.gathering()
	record, ok := g.changes[id]
	if !ok {
		record = new(C)
		g.changes[id] = record
		if len(g.changes) == groupRecords {
			signal(c.filled)
		}
	}
	change(record)
	if c.err != nil && c.hold != nil {
		c.hold(record)
	}
	return g.commit
}

// amend calls change with what the gathering group holds of a client, if it does.
func (c *committer[C]) amend(id int32, change func(*C)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return
	}
	if record, ok := c.open.changes[id]; ok {
		change(record)
	}
}

// flush returns the Commit of a group that is written after all changes so far,
// and that is written even if it holds none.
func (c *committer[C]) flush() *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return committed(errClosed)
	}
	return c.gathering().commit
}

// gathering returns the group that gathers. c.mu must be held.
func (c *committer[C]) gathering() *group[C] {
	if c.open == nil {
		if c.spare == nil {
			c.spare = map[int32]*C{}
		}
		c.open = &group[C]{commit: newCommit(), changes: c.spare, opened: time.Now()}
		c.spare = nil
		signal(c.opened)
	}
	return c.open
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// run writes groups until the committer is closed.
func (c *committer[C]) run() {
	defer close(c.done)
	var last time.Time // start of the last commit
	for {
		select {
		case <-c.opened:
		case <-c.check:
			c.flush()
			continue
		case <-c.closing:
		}
		if wait := groupAge - time.Since(last); wait > 0 {
			select {
			case <-time.After(wait):
			case <-c.filled:
			case <-c.closing:
			}
		}
		g := c.take()
		if g == nil {
			return
		}
		last = time.Now()
		c.commit(g)
	}
}

// take ends the gathering of a group. It returns nil when the last was taken.
func (c *committer[C]) take() *group[C] {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.open
	c.open = nil
	return g
}

// commit writes g until that succeeds.
func (c *committer[C]) commit(g *group[C]) {
	size := len(g.changes)
	if time.Since(g.opened) > freshFor {
		c.holdBack(g)
	}
	for {
		c.attempt()
		err := c.write(c.ctx, g.changes)
		c.attempted(g, err)
		if err == nil {
			g.finish(nil)
			c.reuse(g.changes, size)
			return
		}
		err = unavailable(err)
		if c.failFast {
			g.finish(err)
			c.failGathering(err)
		}
		select {
		case <-time.After(retryDelay):
		case <-c.ctx.Done():
			g.finish(err)
			c.mu.Lock()
			c.lost += len(g.changes)
			c.mu.Unlock()
			return
		}
	}
}

// holdBack has the changes of a group held back. c.mu must be held where the group
// gathers.
func (c *committer[C]) holdBack(g *group[C]) {
	if c.hold == nil || g == nil {
		return
	}
	for _, record := range g.changes {
		c.hold(record)
	}
}

// reuse keeps a map that had so many changes for a group to come, unless it is so
// large that going through it would take longer than making one.
func (c *committer[C]) reuse(changes map[int32]*C, size int) {
	if size > 4*groupRecords {
		return
	}
	clear(changes)
	c.mu.Lock()
	c.spare = changes
	c.mu.Unlock()
}

// attempt notes that one begins.
func (c *committer[C]) attempt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = time.Now()
	}
}

// attempted notes how it went to write g, and logs when that is news.
func (c *committer[C]) attempted(g *group[C], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.holdBack(g)
		c.holdBack(c.open)
	}
	if err != nil && c.err == nil {
		c.log.Error("register: changes cannot be written, trying again", "error", err)
	}
	if err == nil && c.err != nil {
		c.log.Info("register: changes are written again", "after", time.Since(c.since))
	}
	c.err = err
	if err == nil {
		c.since = time.Time{}
	}
}

// failGathering fails the Commits of those who would have to wait for the next
// attempt. Their changes stay where they are.
func (c *committer[C]) failGathering(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		c.open.commit.finish(err)
		c.open.commit = newCommit()
	}
}

// finish tells those who wait for g, once.
func (g *group[C]) finish(err error) {
	if g.commit != nil {
		g.commit.finish(err)
		g.commit = nil
	}
}

// health implements Store.Health.
func (c *committer[C]) health() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() || time.Since(c.since) < healthGrace && !errors.Is(c.err, errMisplaced) {
		return nil
	}
	cause := c.err
	if cause == nil {
		cause = fmt.Errorf("writing has taken %s so far", time.Since(c.since).Round(time.Second))
	}
	return fmt.Errorf("%w: nothing written since %s: %w", ErrUnavailable, c.since.Format(time.RFC3339), cause)
}

// close writes what is outstanding. It may be called more than once.
func (c *committer[C]) close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	c.mu.Unlock()
	timeout := time.AfterFunc(closeWait, c.giveUp)
	<-c.done
	timeout.Stop()
	c.giveUp()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost > 0 {
		return fmt.Errorf("the last changes of %d clients are lost: %w", c.lost, c.err)
	}
	return nil
}

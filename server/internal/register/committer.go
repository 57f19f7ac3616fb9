package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// groupAge is the minimum interval between commits, and so the maximum time that a
	// change waits for others in its group. There are at most 100 commits a second, and a
	// single change does not wait.
	groupAge = 10 * time.Millisecond
	// groupRecords is the number of records that fill a group, which is then committed at
	// once, and the maximum of one transaction: a few hundred kB.
	groupRecords = 4096
	// retryDelay is the time between attempts to write while they fail.
	retryDelay = 250 * time.Millisecond
	// closeWait is how long attempts go on when the store is closed.
	closeWait = 3 * time.Second
	// healthGrace is how long changes may stay unwritten before Health fails: longer
	// than a restart of Redis, shorter than a load balancer's timeout.
	healthGrace = 5 * time.Second
	// freshFor is how long a change may wait for the first attempt to write it before it
	// is held back. It is far longer than groupAge on a busy machine, and shorter than a
	// client without an answer takes to change servers. A process that was stopped
	// exceeds it.
	freshFor = 2 * time.Second
)

// committing configures a committer.
type committing[C any] struct {
	// write makes the changes durable. After an error it is called again with the changes
	// that are left in the map, from which it deletes those that it has written. It should
	// return when ctx is done, and must not keep the map.
	write func(ctx context.Context, changes map[int32]*C) error
	// hold, if not nil, is called for each change that other writes may have overtaken: an
	// attempt to write it has failed, it was made while attempts failed, or it has waited
	// longer than freshFor. hold must not block.
	hold func(*C)
	// failFast makes Commits fail with the first failed attempt. Otherwise they wait until
	// an attempt succeeds.
	failFast bool
	// check causes an attempt at each tick, even if there is nothing to write.
	check <-chan time.Time
	log   *slog.Logger
}

// committer implements group commit: it collects changes in the open group, and writes
// one group after another, each until that succeeds. A group has one C for each client
// that changed. While one group is written, the next one is open, and there are no others:
// so there are at most two Cs for a client, however long writing takes.
type committer[C any] struct {
	committing[C]

	opened  chan struct{} // has a token when a group was opened
	filled  chan struct{} // has a token when the open group is full
	closing chan struct{} // closed when there will be no more changes
	done    chan struct{} // closed when the last changes were written or abandoned
	ctx     context.Context
	giveUp  context.CancelFunc // ends ctx, and with it the attempts

	mu     sync.Mutex
	open   *group[C]    // the open group; nil if it is empty
	spare  map[int32]*C // an empty map of the size of a group, for reuse; or nil
	closed bool
	since  time.Time // start of the first attempt since one succeeded; zero: none
	err    error     // of the last attempt
	lost   int       // number of clients whose changes were abandoned

	observer atomic.Pointer[CommitObserver]
}

// CommitObserver is told of every attempt to write a group: how many clients it is about,
// how long it took, and its error. It must not block.
type CommitObserver func(clients int, took time.Duration, err error)

// Observed is a Store that can tell an observer of its commits.
type Observed interface{ Observe(CommitObserver) }

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

// update applies change to the client's entry in the open group, and returns the group's
// Commit. After Close it does nothing, and the Commit has failed.
func (c *committer[C]) update(id int32, change func(*C)) *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return committed(errClosed)
	}
	g := c.openGroup()
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

// amend applies change to the client's entry in the open group, if it has one.
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

// flush returns the Commit of the open group, which is written after all changes so far,
// even if it is empty.
func (c *committer[C]) flush() *Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return committed(errClosed)
	}
	return c.openGroup().commit
}

// openGroup returns the open group, and opens one if necessary. c.mu must be held.
func (c *committer[C]) openGroup() *group[C] {
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

// take closes the open group and returns it; nil if there is none.
func (c *committer[C]) take() *group[C] {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.open
	c.open = nil
	return g
}

// commit writes g until that succeeds, or the committer is closed.
func (c *committer[C]) commit(g *group[C]) {
	size := len(g.changes)
	if time.Since(g.opened) > freshFor {
		c.holdBack(g)
	}
	for {
		c.attempt()
		began, clients := time.Now(), len(g.changes)
		err := c.write(c.ctx, g.changes)
		if observe := c.observer.Load(); observe != nil {
			(*observe)(clients, time.Since(began), err)
		}
		c.attempted(g, err)
		if err == nil {
			g.finish(nil)
			c.reuse(g.changes, size)
			return
		}
		err = unavailable(err)
		if c.failFast {
			g.finish(err)
			c.failOpen(err)
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

// holdBack calls hold for the changes of a group. c.mu must be held if it is the open
// group.
func (c *committer[C]) holdBack(g *group[C]) {
	if c.hold == nil || g == nil {
		return
	}
	for _, record := range g.changes {
		c.hold(record)
	}
}

// reuse keeps a map that had size changes for a later group, unless it is so large that
// clearing it costs more than a new one.
func (c *committer[C]) reuse(changes map[int32]*C, size int) {
	if size > 4*groupRecords {
		return
	}
	clear(changes)
	c.mu.Lock()
	c.spare = changes
	c.mu.Unlock()
}

// attempt records the start of an attempt.
func (c *committer[C]) attempt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = time.Now()
	}
}

// attempted records the outcome of writing g, and logs when that changes.
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

// failOpen fails the Commit of the open group, whose changes stay in it.
func (c *committer[C]) failOpen(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil {
		c.open.commit.finish(err)
		c.open.commit = newCommit()
	}
}

// finish finishes the Commit of g, once.
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

// close writes the remaining changes. It may be called more than once.
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

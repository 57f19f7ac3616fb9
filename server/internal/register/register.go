// Package register keeps, for every client that counts, the last number it was
// given and the last value it counted to. [Store] is what the number service
// needs of it; each implementation is a file of its own.
package register

import (
	"context"
	"time"
)

// Record is what is kept of one client.
type Record struct {
	Number int32     // the last number it was given
	Value  int64     // the last value it reported
	Seen   time.Time // when it last registered, reported or drew
}

// NewClient is the record of a client that has not said anything yet. Counting
// starts with steps of one.
var NewClient = Record{Number: 1}

// Client is a record with the ID it is kept under.
type Client struct {
	ID int32
	Record
}

// Change is what a client's record is changed by. Fields that are not set stay as
// they are, so that two sessions of one client do not undo each other's changes.
type Change struct {
	Number    int32
	Value     int64
	SetNumber bool
	SetValue  bool
	Seen      time.Time
}

// apply returns r as c leaves it.
func (c Change) apply(r Record) Record {
	if c.SetNumber {
		r.Number = c.Number
	}
	if c.SetValue {
		r.Value = c.Value
	}
	if c.Seen.After(r.Seen) {
		r.Seen = c.Seen
	}
	return r
}

// Store keeps the register. It is safe for concurrent use. Its memory is bounded
// by the number of client IDs, however many changes are waiting to be committed.
type Store interface {
	// Register returns the record of a client and makes one where there is none;
	// returning tells which. It is durable when Register returns.
	Register(ctx context.Context, id int32, now time.Time) (r Record, returning bool, err error)

	// Save changes the record of a registered client. It does not wait: the change
	// is seen by Register and List at once and is durable when the Commit is done.
	// Changes are committed in the order of the calls.
	Save(id int32, c Change) *Commit

	// List returns up to limit clients with an ID greater than after, by ID.
	List(ctx context.Context, after int32, limit int) ([]Client, error)

	// Close commits what is outstanding and gives the store up.
	Close() error
}

// Commit is a group of changes that become durable together.
type Commit struct {
	done chan struct{}
	err  error // valid once done is closed
}

func newCommit() *Commit { return &Commit{done: make(chan struct{})} }

// finish tells those who wait how it went.
func (c *Commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Done is closed when the changes are durable, or known to be lost.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err tells, once Done is closed, whether the changes are durable.
func (c *Commit) Err() error { return c.err }

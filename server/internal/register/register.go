// Package register keeps, for every client that counts, the last number it was
// given and the last value it counted to, and counts its open sessions. [Store] is
// what the number service needs of it; [Open] opens the one that a configuration
// names. Each implementation is a file of its own.
package register

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnavailable is what every error of a store is that may be gone when the call
// is made again: the disk is full, Redis is away, the store is closed.
var ErrUnavailable = errors.New("the register is unavailable")

// errClosed is what calls after Close end in.
var errClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)

// Record is what is kept of one client.
type Record struct {
	Number int32 // the last number it was given
	Value  int64 // the last value it reported
	Seen   Seen

	// Revision counts the writes of Value, and Writer is the session that made the
	// last of them; 0: nobody has. They give writes their order, which is the store's
	// and never a clock's. Writes that are committed together may count as one.
	Revision int64
	Writer   int64
}

// Session names a counting session and the record that it began with.
type Session struct {
	ID       int64 // unique, not 0
	Revision int64 // of the record when the session was registered
}

// NewClient is the record of a client that has not said anything yet. Counting
// starts with steps of one.
var NewClient = Record{Number: 1}

// Client is a record with the ID it is kept under.
type Client struct {
	ID int32
	Record
	Sessions int32 // how many it has open, on all servers that share the store
}

// Change is what a client's record is changed by. Fields that are not set stay as
// they are, so that two sessions of one client do not undo each other's changes.
type Change struct {
	Number    int32
	Value     int64
	SetNumber bool
	SetValue  bool
	Seen      Seen // never takes a door's time back

	// Writer is the ID of the session that sets Value.
	Writer int64
	// Repeats is not nil if Value may have been written already, by the session that
	// it names. Value is then set only if nobody has set it since that session began
	// but the session itself, and Writer, which repeats what it said. Either way the
	// Commit says whether what the record holds is durable.
	Repeats *Session
}

// apply returns r as c leaves it.
func (c Change) apply(r Record) Record {
	if c.SetNumber {
		r.Number = c.Number
	}
	if c.SetValue && (c.Repeats == nil || c.continues(r)) {
		r.Value = c.Value
		r.Revision++
		r.Writer = c.Writer
	}
	r.Seen = r.Seen.merge(c.Seen)
	return r
}

// continues reports whether c repeats what nobody has superseded: the value was last
// set by the session that it repeats or by the one that repeats it, or has not been
// set since that session began, or never was, as in a store that has lost what it
// held.
func (c Change) continues(r Record) bool {
	return r.Revision == 0 || r.Revision == c.Repeats.Revision || r.Writer == c.Repeats.ID || r.Writer == c.Writer
}

// Store keeps the register. It is safe for concurrent use. Its memory is bounded
// by the number of client IDs, however many changes are waiting to be committed.
type Store interface {
	// Register notes that a client was seen at a door and returns its record. It
	// makes one where there is none; returning tells which. The record is durable
	// when Register returns. Where that takes longer than a few seconds, the error
	// is ErrUnavailable; the record may be made later all the same.
	Register(ctx context.Context, id int32, door Door, now time.Time) (r Record, returning bool, err error)

	// Save changes the record of a registered client. It does not wait: the change
	// is seen by Register and List at once and is durable when the Commit is done.
	// Changes of one client are committed in the order of the calls. Where servers share
	// the store, done can also mean that another server's change, of the same time or
	// later, has taken the place of this one.
	Save(id int32, c Change) *Commit

	// Enter counts in a session of a client, and returns how many the client has
	// open on this server now. Leave counts it out. Neither waits.
	Enter(id int32) (open int32)
	Leave(id int32)

	// List returns up to limit clients with an ID greater than after, by ID.
	List(ctx context.Context, after int32, limit int) ([]Client, error)

	// Health returns an error when changes have not become durable for a while.
	// It does not wait; ask it every second or so.
	Health() error

	// Close commits what is outstanding and gives the store up. Where that does not
	// succeed within a few seconds, the error says what is lost.
	Close() error
}

// Package register keeps for every client the last number that it was given, the last
// value that it reported, and when it was last seen, and counts its open sessions. [Store]
// is the interface; [Open] opens the store that a specification names. Each implementation
// has files of its own: SQLite, Redis, Memory.
package register

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnavailable wraps the errors of a store after which a call may be repeated: the disk
// is full, Redis is unreachable, the store is closed.
var ErrUnavailable = errors.New("the register is unavailable")

// errClosed is the error of calls after Close.
var errClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)

// Record is the state of one client.
type Record struct {
	Number int32 // the last number it was given
	Value  int64 // the last value it reported
	Seen   Seen

	// Revision counts the writes of Value, and Writer is the session that made the last
	// one; 0: none. They give writes their order, which is that of the store and never
	// that of a clock. Writes that are committed together may count as one.
	Revision int64
	Writer   int64
}

// Session identifies a counting session and the record that it began with.
type Session struct {
	ID       int64 // unique, not 0
	Revision int64 // of the record when the session was registered
}

// NewClient is the record of a new client. Counting starts with steps of one.
var NewClient = Record{Number: 1}

// Client is a record with its client ID.
type Client struct {
	ID int32
	Record
	Sessions int32 // open sessions, on all servers that share the store
}

// Change is a change of a client's record. It leaves the fields that it does not set, so
// that two sessions of one client do not undo each other's changes.
type Change struct {
	Number    int32
	Value     int64
	SetNumber bool
	SetValue  bool
	Seen      Seen // never sets a door's time back

	// Writer is the ID of the session that sets Value.
	Writer int64
	// Repeats is not nil if the session that it names may have written Value already.
	// Value is then set only if no session has set it since that session began, except
	// that session itself and Writer, which repeats its report. In any case the Commit
	// tells whether the record is durable.
	Repeats *Session
}

// apply returns r after c.
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

// continues reports whether no other session has superseded what c repeats: the last
// write was that of the repeated session or of the repeating one, or there was none since
// the repeated session began, or none at all, as in a store that has lost its content.
func (c Change) continues(r Record) bool {
	return r.Revision == 0 || r.Revision == c.Repeats.Revision || r.Writer == c.Repeats.ID || r.Writer == c.Writer
}

// Store keeps the register. It is safe for concurrent use. Its memory is bounded
// by the number of client IDs, however many changes are waiting to be committed.
type Store interface {
	// Register records that a client was seen at a door, and returns its record, which it
	// creates for a new client; returning tells which. The record is durable when Register
	// returns. If that takes longer than a few seconds, the error is ErrUnavailable, and
	// the record may still be created later.
	Register(ctx context.Context, id int32, door Door, now time.Time) (r Record, returning bool, err error)

	// Save changes the record of a registered client. It does not block: Register and List
	// see the change at once, and it is durable when the Commit is done. Changes of one
	// client are committed in the order of the calls. If servers share the store, done can
	// also mean that another server's change, at the same time or later, has replaced this
	// one.
	Save(id int32, c Change) *Commit

	// Enter counts a new session of a client, and returns the number that the client has
	// open on this server. Leave counts its end. Neither blocks.
	Enter(id int32) (open int32)
	Leave(id int32)

	// List returns up to limit clients with an ID greater than after, by ID.
	List(ctx context.Context, after int32, limit int) ([]Client, error)

	// Health returns an error if changes have not become durable for some time. It does
	// not block, and should be called about once a second.
	Health() error

	// Close commits the remaining changes and closes the store. If that does not succeed
	// within a few seconds, the error says what is lost.
	Close() error
}

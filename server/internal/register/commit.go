package register

import (
	"context"
	"fmt"
	"time"
)

// registerWait is how long a call waits for its change to become durable. A disk or a
// Redis that works takes milliseconds; if it does not work, the client should try another
// server.
const registerWait = 3 * time.Second

// Commit is a group of changes that become durable together.
type Commit struct {
	done chan struct{}
	err  error // valid once done is closed
}

func newCommit() *Commit { return &Commit{done: make(chan struct{})} }

// committed returns a Commit that is done.
func committed(err error) *Commit {
	c := newCommit()
	c.finish(err)
	return c
}

// finish sets the outcome and wakes those who wait.
func (c *Commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Done is closed when the changes are durable, or when writing them failed.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err returns nil, after Done is closed, if the changes are durable. Otherwise the error
// is an ErrUnavailable, and they may become durable later: Register and List see them, and
// the store tries to write them until it is closed.
func (c *Commit) Err() error { return c.err }

// wait waits until the changes are durable, for registerWait at most.
func (c *Commit) wait(ctx context.Context) error {
	timeout := time.NewTimer(registerWait)
	defer timeout.Stop()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timeout.C:
		return ErrUnavailable
	}
}

// unavailable returns an ErrUnavailable. The cause is kept only as text: a deadline of the
// store must not look like one of the caller.
func unavailable(cause error) error {
	return fmt.Errorf("%w: %v", ErrUnavailable, cause) //nolint:errorlint // see above
}

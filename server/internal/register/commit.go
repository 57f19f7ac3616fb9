package register

import (
	"context"
	"fmt"
	"time"
)

// registerWait is how long a call that must be durable waits. A disk or a Redis
// that works takes milliseconds; a client can do better things than to wait for
// one that does not, such as to try another server.
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

// finish tells those who wait how it went.
func (c *Commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Done is closed when the changes are durable, or when writing them failed.
func (c *Commit) Done() <-chan struct{} { return c.done }

// Err tells, once Done is closed, whether the changes are durable. If it returns
// an error, which is an ErrUnavailable, they may become so later: they are seen by
// Register and List, and are written again and again until the store is closed.
func (c *Commit) Err() error { return c.err }

// wait returns when the changes are durable, or will not be in time.
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

// unavailable says that the store cannot be reached. The cause is kept as text: a
// deadline that passed within the store is none of the caller's.
func unavailable(cause error) error {
	return fmt.Errorf("%w: %v", ErrUnavailable, cause) //nolint:errorlint // see above
}

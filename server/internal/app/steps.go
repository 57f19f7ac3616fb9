package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// cutGrace is how long a step of the shutdown may continue after its deadline. Calls
	// that are cut off notice it at once, except those in an operation that hangs.
	cutGrace = time.Second

	// registerTime and logTime are what the register and the log get to write their last
	// changes and lines, even if the calls have used up the drain timeout.
	registerTime = 3 * time.Second
	logTime      = 2 * time.Second

	// exitGrace is how long after the drain timeout the program ends at the latest, if
	// everything hangs that can: five steps with cutGrace each, and one more to spare.
	exitGrace = registerTime + logTime + 6*cutGrace
)

// errHangs is the error of an operation that did not end when its context did.
var errHangs = errors.New("hangs, and was abandoned")

// shutdown bounds the steps of a shutdown in time.
type shutdown struct {
	deadline time.Time // end of the drain timeout; zero: nothing was ever served

	mu   sync.Mutex
	step string // current
}

// run runs all steps, which are in f. It returns exitGrace after the drain timeout at
// the latest, with an error that names the step that hangs.
func (s *shutdown) run(drainTimeout time.Duration, f func() error) error {
	s.deadline = time.Now().Add(drainTimeout)
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(drainTimeout + exitGrace):
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("%s: still hangs %v after --drain-timeout; unwritten data is lost", s.step, exitGrace)
	}
}

// at names the current step.
func (s *shutdown) at(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = step
}

// give runs a step that ends when its context does. The step gets the rest of the drain
// timeout, and at least that long. A step that hangs is abandoned, which is an error.
func (s *shutdown) give(step string, least time.Duration, f func(context.Context) error) error {
	s.at(step)
	deadline := time.Now().Add(least)
	if s.deadline.After(deadline) {
		deadline = s.deadline
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	if err := within(ctx, func() error { return f(ctx) }); errors.Is(err, errHangs) {
		return fmt.Errorf("%s: %w", step, err)
	} else if err != nil {
		return err
	}
	return nil
}

// within runs f, which should end when ctx does, and abandons it if it has not ended
// cutGrace later.
func within(ctx context.Context, f func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(cutGrace):
		return errHangs
	}
}

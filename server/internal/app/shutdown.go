package app

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// cutGrace is how long a step of the shutdown may go on when its time is up: calls
	// that have been cut off notice it at once, but for those in an operation that
	// hangs, which never do.
	cutGrace = time.Second

	// registerTime and logTime are what the register and the log have for their last
	// changes and lines, also where the calls have used up the drain timeout. The
	// register gives up by itself in that time.
	registerTime = 3 * time.Second
	logTime      = 2 * time.Second

	// exitGrace is how long after the drain timeout the program ends at the latest,
	// where everything hangs that can: each of five steps has cutGrace, and there is one
	// more to spare.
	exitGrace = registerTime + logTime + 6*cutGrace
)

// ending is how far the shutdown has come.
type ending struct {
	deadline time.Time // when the drain timeout is over; zero: nothing was ever served

	mu   sync.Mutex
	step string
}

func (e *ending) at(step string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.step = step
}

// give runs a step of the shutdown that ends when its context does. It has what is
// left of the drain timeout, and at least that long. One that goes on longer is left
// behind, which is an error.
func (e *ending) give(step string, least time.Duration, f func(context.Context) error) error {
	e.at(step)
	deadline := time.Now().Add(least)
	if e.deadline.After(deadline) {
		deadline = e.deadline
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

var errHangs = errors.New("hangs, and was left behind")

// within runs f, which is to end when ctx does, and leaves it behind if it has not
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

// run runs all of the shutdown. It returns exitGrace after the drain timeout at the
// latest, whatever hangs, with an error then that says what.
func (e *ending) run(drainTimeout time.Duration, f func() error) error {
	e.deadline = time.Now().Add(drainTimeout)
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(drainTimeout + exitGrace):
		e.mu.Lock()
		defer e.mu.Unlock()
		return fmt.Errorf("%s: still hangs %v after --drain-timeout; what it has not written is lost", e.step, exitGrace)
	}
}

// end shuts down what serves.
func (s *server) end(doors *errgroup.Group) error {
	return s.ending.run(s.cfg.DrainTimeout, func() error {
		s.stop()
		err := s.ending.give("the doors", 0, func(context.Context) error { return doors.Wait() })
		return errors.Join(err, s.close())
	})
}

// stop ends what is being served, within the drain timeout:
//
//  1. Health says NOT_SERVING, so that balancers look elsewhere.
//  2. No door takes new connections or calls.
//  3. Calls may end; counting sessions and health watches, which would go on for
//     ever, are ended by the server once what they reported is durable.
//  4. At the timeout, the rest is cut off, and what has not noticed cutGrace later
//     is left behind.
//
// What remains, writing out the register and the log, is close's.
func (s *server) stop() {
	s.stderr.Info("shutting down", "timeout", s.cfg.DrainTimeout)
	s.ending.at("calls")
	ctx, cancel := context.WithDeadline(context.Background(), s.ending.deadline)
	defer cancel()
	s.health.Shutdown()
	close(s.drain)

	var doors errgroup.Group
	doors.Go(func() error { return s.shutdown(ctx) })
	doors.Go(func() error { return within(ctx, func() error { return s.stopGRPC(ctx) }) })
	s.numbers.Drain()
	if err := doors.Wait(); err != nil {
		s.stderr.Warn("calls were cut off", "cause", err)
	}
}

// stopGRPC lets calls end until ctx is done, and then cuts them off.
func (s *server) stopGRPC(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.grpc.GracefulStop()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-ended
		return ctx.Err()
	}
}

// close gives up whatever is open: the ports, then the register and the log, which
// take what the last calls left behind. None of them can hold up those that follow.
func (s *server) close() error {
	s.front.close()
	if s.grpcListener != nil {
		s.grpcListener.Close() // closed already where it was served
	}
	if s.channel != nil {
		s.channel.Close()
	}
	var errs []error
	if s.numbers != nil {
		errs = append(errs, s.ending.give("counting sessions", 0, func(context.Context) error { s.numbers.Wait(); return nil }))
	}
	if s.store != nil {
		errs = append(errs, s.ending.give("the register", registerTime, func(context.Context) error { return s.store.Close() }))
	}
	signal.Stop(s.hangups) // the program takes them to its end, and does nothing
	close(s.hangups)
	if s.log != nil {
		errs = append(errs, s.ending.give("the log", logTime, s.log.Close))
	}
	s.ending.at("the files")
	if s.own != nil {
		s.own.Close()
	}
	if s.cache != nil {
		s.cache.Close()
	}
	return errors.Join(errs...)
}

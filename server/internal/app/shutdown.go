package app

import (
	"context"
	"errors"
	"os/signal"

	"golang.org/x/sync/errgroup"
)

// end shuts down a server that serves doors.
func (s *server) end(doors *errgroup.Group) error {
	return s.shutdown.run(s.flags.DrainTimeout, func() error {
		s.stop()
		err := s.shutdown.give("the doors", 0, func(context.Context) error { return doors.Wait() })
		return errors.Join(err, s.close())
	})
}

// stop stops serving within the drain timeout:
//
//  1. Health says NOT_SERVING, so that load balancers look elsewhere.
//  2. All doors stop accepting connections and calls.
//  3. Open calls may end. The server itself ends those that never would: counting
//     sessions, once their reports are durable, and health watches.
//  4. At the timeout, the remaining calls are cut off. Those that have not ended
//     cutGrace later are abandoned.
//
// close then writes out the register and the log.
func (s *server) stop() {
	s.stderr.Info("shutting down", "timeout", s.flags.DrainTimeout)
	s.shutdown.at("calls")
	ctx, cancel := context.WithDeadline(context.Background(), s.shutdown.deadline)
	defer cancel()
	s.health.Shutdown()
	close(s.drain)

	var doors errgroup.Group
	doors.Go(func() error { return s.front.shutdown(ctx) })
	doors.Go(func() error { return within(ctx, func() error { return s.grpc.shutdown(ctx) }) })
	s.numbers.Drain()
	if err := doors.Wait(); err != nil {
		s.stderr.Warn("calls were cut off", "cause", err)
	}
}

// close closes what is open: the ports, then the register and the log, which receive
// what the last calls wrote. No step can hold up the next one for ever.
func (s *server) close() error {
	if s.front != nil {
		s.front.close()
	}
	if s.grpcListener != nil {
		s.grpcListener.Close() // already closed if it was served
	}
	if s.channel != nil {
		s.channel.Close()
	}
	var errs []error
	if s.numbers != nil {
		errs = append(errs, s.shutdown.give("counting sessions", 0, func(context.Context) error { s.numbers.Wait(); return nil }))
	}
	if s.store != nil {
		errs = append(errs, s.shutdown.give("the register", registerTime, func(context.Context) error { return s.store.Close() }))
	}
	signal.Stop(s.hangups) // from here on the program ignores them
	close(s.hangups)
	if s.log != nil {
		errs = append(errs, s.shutdown.give("the log", logTime, s.log.Close))
	}
	s.shutdown.at("the files")
	if s.own != nil {
		s.own.Close()
	}
	if s.cache != nil {
		s.cache.Close()
	}
	return errors.Join(errs...)
}

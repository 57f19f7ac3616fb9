package h2

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
)

// retryStalled is the delay after which a stalled client is asked to try again.
const retryStalled = time.Second

// stalled is the status of a call whose peer grants no window.
func stalled() error {
	return apierror.Exhausted("SEND_STALLED", "the client has not taken what it was sent", retryStalled)
}

// reserve waits until what r wants is reserved for the next message. It first releases an
// earlier reservation that was not used. The error is ctx's, or a status.
func (s *Stream) reserve(ctx context.Context, r request) error {
	c := s.c
	var timer *time.Timer
	for woken := false; ; woken = true {
		c.mu.Lock()
		if s.ended {
			c.mu.Unlock()
			if err := ctx.Err(); err != nil {
				return err
			}
			return status.Error(codes.Canceled, "the call has ended")
		}
		s.release(&s.next, s.next.window, s.next.memory)
		what := s.tryReserve(r, woken)
		if what == forNothing {
			c.wakeNext() // there may be room for another stream
			c.mu.Unlock()
			if timer != nil {
				timer.Stop()
			}
			return nil
		}
		s.minimum = r.least
		s.park(what, woken)
		seen := s.currentProgress()
		c.mu.Unlock()
		if timer == nil {
			timer = time.NewTimer(c.guard.o.Timeout)
		} else {
			timer.Reset(c.guard.o.Timeout)
		}
		if err := s.sleep(ctx, timer, seen); err != nil {
			timer.Stop()
			return err
		}
	}
}

// sleep waits until the stream is woken, ctx is done, or there was no progress while the
// timer ran.
func (s *Stream) sleep(ctx context.Context, timer *time.Timer, seen uint64) error {
	for {
		select {
		case <-s.wakeup:
			return nil
		case <-ctx.Done():
			s.unpark()
			return ctx.Err()
		case <-timer.C:
		}
		s.c.mu.Lock()
		now, woken := s.currentProgress(), s.waits == forNothing
		s.c.mu.Unlock()
		switch {
		case woken:
			continue
		case now == seen:
			s.unpark()
			return stalled()
		}
		seen = now
		timer.Reset(s.c.guard.o.Timeout)
	}
}

// currentProgress returns a number that changes when what the stream waits for comes
// closer. Queued data that has window waits for the socket, which other streams use too.
func (s *Stream) currentProgress() uint64 {
	switch {
	case s.waits != forStream:
		return s.c.progress
	case len(s.queue) > 0 && s.canSend():
		return s.progress + s.c.progress
	}
	return s.progress
}

// park makes the stream wait. A stream that was woken for the connection and must wait for
// it again keeps the first place. One that must wait for something else lets the next one
// go.
func (s *Stream) park(what blocker, woken bool) {
	c := s.c
	if s.wakeup == nil {
		s.wakeup = make(chan struct{}, 1)
	}
	s.waits = what
	switch {
	case what == forConn && woken:
		c.parked = slices.Insert(c.parked, 0, s)
	case what == forConn:
		c.parked = append(c.parked, s)
	default:
		c.wakeNext()
	}
}

// unpark ends the wait of a stream that gives up. If it was woken at the same moment, it
// passes the wakeup on to the next one.
func (s *Stream) unpark() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.waits == forNothing {
		<-s.wakeup
		c.wakeNext()
		return
	}
	c.removeParked(s)
	s.waits = forNothing
}

func (c *Conn) removeParked(s *Stream) {
	if i := slices.Index(c.parked, s); i >= 0 {
		c.parked = slices.Delete(c.parked, i, i+1)
	}
}

// wake wakes a stream that waits. The caller holds c.mu.
func (s *Stream) wake() {
	if s.waits == forConn {
		s.c.removeParked(s)
	}
	s.waits = forNothing
	s.wakeup <- struct{}{} // never blocks: a stream is woken once each time that it waits
}

// wakeIfWindow wakes the stream if it waits for its window and that is large enough.
func (s *Stream) wakeIfWindow() {
	if s.waits == forStream && s.hasWindow(s.minimum) {
		s.wake()
	}
}

// wakeNext wakes the first stream that waits for the connection, if there is window and
// memory. When that one has reserved or given up, it wakes the next.
func (c *Conn) wakeNext() {
	if len(c.parked) > 0 && c.window > c.reserved && (c.held < connAllowance || c.guard.o.Account.Held() < c.guard.o.Account.Limit()) {
		c.parked[0].wake()
	}
}

package h2

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/apierror"
)

// waiting is what a stream waits for.
type waiting int

const (
	forNothing waiting = iota
	forStream          // for the peer to grant its stream more
	forConn            // for the connection's window, or for its memory
)

// retryStalled is how long a peer that has stalled is asked to wait.
const retryStalled = time.Second

// stalled is what a call ends with whose peer grants nothing.
func stalled() error {
	return apierror.Exhausted("SEND_STALLED", "the client has not taken what it was sent", retryStalled)
}

// await waits until what is asked for is reserved for the next message. What was
// reserved before and is still unused is given back first. The error is ctx's, or a
// status.
func (s *Stream) await(ctx context.Context, r request) error {
	c := s.c
	var timer *time.Timer
	for woken := false; ; woken = true {
		c.mu.Lock()
		if s.gone {
			c.mu.Unlock()
			if err := ctx.Err(); err != nil {
				return err
			}
			return status.Error(codes.Canceled, "the call has ended")
		}
		s.free(&s.next, s.next.window, s.next.memory)
		what := s.take(r, woken)
		if what == forNothing {
			c.wakeNext() // there may be room for another
			c.mu.Unlock()
			if timer != nil {
				timer.Stop()
			}
			return nil
		}
		s.least = r.least
		s.park(what, woken)
		seen := s.moved()
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

// sleep waits until the stream is woken, or ctx is done, or nothing has moved for as
// long as the timer was set to.
func (s *Stream) sleep(ctx context.Context, timer *time.Timer, seen uint64) error {
	for {
		select {
		case <-s.wake:
			return nil
		case <-ctx.Done():
			s.unpark()
			return ctx.Err()
		case <-timer.C:
		}
		s.c.mu.Lock()
		moved, woken := s.moved(), s.waits == forNothing
		s.c.mu.Unlock()
		switch {
		case woken:
			continue
		case moved == seen:
			s.unpark()
			return stalled()
		}
		seen = moved
		timer.Reset(s.c.guard.o.Timeout)
	}
}

// moved returns a number that changes when what the stream waits for comes nearer. What
// is queued and has window waits for the socket, which other streams use too.
func (s *Stream) moved() uint64 {
	switch {
	case s.waits != forStream:
		return s.c.progress
	case len(s.queue) > 0 && s.hasOpen():
		return s.progress + s.c.progress
	}
	return s.progress
}

// hasOpen reports whether the peer has window for something that is queued.
func (s *Stream) hasOpen() bool { return s.c.initial+s.granted > 0 && s.c.window > 0 }

// park has the stream wait. Who was woken for the connection and must go on waiting
// for it keeps the first place; who waits for another thing makes room for the next.
func (s *Stream) park(what waiting, woken bool) {
	c := s.c
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
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

// unpark ends a wait that nobody has ended by a wake. Where somebody has, at the same
// moment, another is woken in its place.
func (s *Stream) unpark() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.waits == forNothing {
		<-s.wake
		c.wakeNext()
		return
	}
	c.unlist(s)
	s.waits = forNothing
}

func (c *Conn) unlist(s *Stream) {
	if i := slices.Index(c.parked, s); i >= 0 {
		c.parked = slices.Delete(c.parked, i, i+1)
	}
}

// awake wakes the stream, which waits. The caller holds c.mu.
func (s *Stream) awake() {
	if s.waits == forConn {
		s.c.unlist(s)
	}
	s.waits = forNothing
	s.wake <- struct{}{} // has room: a stream is woken once for each time that it waits
}

// awakeIfWindow wakes the stream if that is what it waits for and has now.
func (s *Stream) awakeIfWindow() {
	if s.waits == forStream && s.hasWindow(s.least) {
		s.awake()
	}
}

// wakeNext wakes the first of those who wait for the connection, if there is something
// for it. That one, or what comes of its waking, wakes the next.
func (c *Conn) wakeNext() {
	if len(c.parked) > 0 && c.window > c.reserved && (c.held < ownShare || c.guard.o.Account.Held() < c.guard.o.Account.Limit()) {
		c.parked[0].awake()
	}
}

// watchQueues begins to look whether what is queued goes out. The caller holds c.mu.
func (c *Conn) watchQueues() {
	c.watch = time.AfterFunc(c.guard.o.Timeout+c.guard.o.Timeout/2, c.look)
}

// look closes the connection if something has been queued since the last look for which
// there is no window, and none was granted: a message that is larger than its window. A
// handler that waits is told after Timeout, which is earlier.
func (c *Conn) look() {
	c.mu.Lock()
	busy, stuck := false, false
	for _, s := range c.streams {
		if len(s.queue) == 0 {
			continue
		}
		busy = true
		moved := 1 + s.progress + c.progress // 0: never looked
		if s.c.window > 0 {
			moved = 1 + s.progress
		}
		stuck = stuck || !s.hasOpen() && s.checked == moved
		s.checked = moved
	}
	switch {
	case c.closed || stuck:
	case busy:
		c.watchQueues()
	default:
		c.watch = nil
	}
	c.mu.Unlock()
	if stuck {
		c.cut(ReasonStalled)
	}
}

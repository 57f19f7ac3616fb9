package download

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/parity/client/internal/backoff"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// lane fetches ranges of a file over one connection, one after the other. Each transfer has
// one lane of its own, which ends with the file, and others over borrowed connections.
type lane struct {
	t     *transfer
	files filesv1.FileServiceClient
	own   bool  // whether it is the transfer's own
	limit int64 // how much to ask for next
	call  *call // for a range, once it has been asked for
	ahead *call // for another one, likewise

	arrived int64 // of call
	failing bool  // since the last attempt nothing has arrived
	damaged bool  // what arrives has been wrong: only what is verified counts
	fatal   bool  // the error is one of the file, not of the connection
}

func (t *transfer) lane(files filesv1.FileServiceClient, own bool) *lane {
	return &lane{t: t, files: files, own: own, limit: t.segment}
}

// run fetches ranges until there are no more; the transfer's own lane, until the file is
// complete.
func (l *lane) run(ctx context.Context) error {
	l.enter()
	defer l.leave()
	defer l.drop()
	for failures := 0; ; {
		if more, err := l.next(ctx); err != nil || !more {
			return err
		}
		segment, err := l.call.receive(l.t.file, l.progress, func() { l.askAhead(ctx) })
		if err == nil {
			failures = 0
			if err := l.keep(ctx, segment); err != nil {
				l.fatal = true
				return err
			}
			continue
		}
		l.drop()
		l.fatal = mustRestart(err)
		if err := l.pause(ctx, failures, err); err != nil {
			return err
		}
		failures++
	}
}

// next makes sure that there is a call. It returns false if there is nothing to ask for.
func (l *lane) next(ctx context.Context) (more bool, err error) {
	if l.call != nil {
		return true, nil
	}
	s, ok := l.t.ranges.take(l.limit)
	if !ok && l.own {
		l.leave() // it is idle, whatever the others do
		s, ok, err = l.t.ranges.wait(ctx, l.limit)
		l.enter()
	}
	if err != nil || !ok {
		return false, err
	}
	if l.call, err = l.ask(ctx, s); err != nil {
		l.t.ranges.giveBack(s)
		return false, err
	}
	return true, nil
}

// ask starts the call for a range, as soon as the group's limit allows it.
func (l *lane) ask(ctx context.Context, s span) (*call, error) {
	if err := l.t.opts.Group.wait(ctx, s.size); err != nil {
		return nil, err
	}
	return l.t.start(ctx, l.files, s), nil
}

func (l *lane) askAhead(ctx context.Context) {
	s, ok := l.t.ranges.take(l.limit)
	if !ok {
		return
	}
	ahead, err := l.ask(ctx, s)
	if err != nil { // ctx is done
		l.t.ranges.giveBack(s)
		return
	}
	l.ahead = ahead
}

// keep hands over what the call has received, and goes on to the next one.
func (l *lane) keep(ctx context.Context, s *segment) error {
	if want := (span{l.call.request.GetOffset(), s.size}); l.call.span != want {
		return fmt.Errorf("the range %v was received as %v", want, l.call.span) // a mistake in this package
	}
	if err := l.t.put(ctx, l.call.span.offset, s); err != nil {
		return err
	}
	l.damaged = false
	l.recovered()
	l.t.learn(l.call.whole)
	l.t.ranges.verified(piece{l.call.span, s.crc})
	l.limit = min(2*l.limit, l.t.segment)
	l.arrived = 0
	l.call.end()
	l.call, l.ahead = l.ahead, nil
	return nil
}

// drop cancels the calls in progress, and gives their ranges back.
func (l *lane) drop() {
	for _, c := range []*call{l.call, l.ahead} {
		if c != nil {
			c.end()
			l.t.ranges.giveBack(c.span)
		}
	}
	l.call, l.ahead = nil, nil
	l.t.mu.Lock()
	l.t.shown -= l.arrived
	l.arrived = 0
	l.t.mu.Unlock()
}

// progress counts bytes that have arrived.
func (l *lane) progress(n int64) {
	if !l.damaged {
		l.recovered()
	}
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.arrived += n
	l.t.shown += n
	l.t.opts.progress(l.t.shown, l.t.file.GetSizeBytes())
}

// pause waits before the next attempt, after err and a number of earlier failures in a row.
// It returns an error if another attempt is useless.
func (l *lane) pause(ctx context.Context, failures int, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !retriable(err) || failures >= maxRetries && !(l.own && l.othersWork()) {
		return err
	}
	l.limit = max(l.limit/2, min(minSegment, l.limit))
	wait := retryDelay(err, min(failures, maxRetries))
	l.failed(err, time.Now().Add(wait))
	if err := backoff.Wait(ctx, wait); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// enter counts the lane among those with something to do.
func (l *lane) enter() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.active++
}

func (l *lane) leave() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.active--
	if l.failing {
		l.failing = false
		l.t.failing--
	}
}

// othersWork reports whether another lane gets data.
func (l *lane) othersWork() bool {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	others := l.t.active - 1
	if l.failing {
		others++
	}
	return others > l.t.failing
}

// failed notes a failure of the lane. If no other lane works, this is an outage.
func (l *lane) failed(err error, retry time.Time) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	l.damaged = errors.Is(err, errChecksum)
	if !l.failing {
		l.failing = true
		t.failing++
	}
	if t.failing < t.active {
		return
	}
	if t.outage.Err == nil {
		t.outage = Outage{Since: time.Now()}
	}
	t.outage.Err, t.outage.Retry = err, retry
	t.outage.Attempts++
	t.opts.outage(t.outage)
}

// recovered notes that something has arrived: an outage is over.
func (l *lane) recovered() {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.failing {
		l.failing = false
		t.failing--
	}
	if t.outage.Err != nil {
		t.outage.Err, t.outage.Retry = nil, time.Time{}
		t.opts.outage(t.outage)
	}
}

package legacytcp

import (
	"context"
	"log/slog"
	"time"
)

const (
	// After this many reads from a client that is too fast, reading pauses. That allows
	// 9 MB/s, which costs a tenth of a processor. Faster reading would cost processor
	// time for values that are dropped; slower reading would delay the draws after them.
	readsPerPause = 8
	pause         = time.Millisecond

	// mergedEvery is the minimum interval between log lines about merged values.
	mergedEvery = time.Second
)

// values limits the rate at which a session's values are reported. Beyond ReportRate a
// value is held until the rate allows it, or until a request that must come after it. A
// newer value replaces the one that is held, because the register keeps only the last.
// The zero value allows a burst of one second's worth.
type values struct {
	left int       // how many may be reported now
	at   time.Time // when left was computed; zero: never
	now  bool      // whether it was, since the last read

	held  bool
	value int64 // if held
	reads int   // since the last pause, if held

	merged   int       // replaced values that have not been logged yet
	loggedAt time.Time // when others were
}

// take reports whether a value may be reported. It reads the clock at most once for
// each read from the connection, and not before a second's worth was reported.
func (v *values) take(rate int) bool {
	if v.at.IsZero() {
		v.left, v.at = rate, time.Now()
	}
	if v.left == 0 && !v.now {
		v.refill(rate, time.Now())
	}
	if v.left == 0 {
		return false
	}
	v.left--
	return true
}

func (v *values) refill(rate int, now time.Time) {
	v.now = true
	since := now.Sub(v.at)
	if since >= time.Second {
		v.left, v.at = rate, now
		return
	}
	due := since * time.Duration(rate) / time.Second
	v.left += int(due)
	v.at = v.at.Add(due * time.Second / time.Duration(rate))
}

// wait returns the time until a value may be reported.
func (v *values) wait(rate int, now time.Time) time.Duration {
	return v.at.Add(time.Second/time.Duration(rate)).Sub(now) + 1 // rounded up
}

// takeValue reports a value or holds it.
func (s *session) takeValue(value int64) error {
	if s.values.held {
		s.values.merged++
	}
	if s.values.held = !s.values.take(s.g.limits.ReportRate); s.values.held {
		s.values.value = value
		return nil
	}
	return s.counting.report(value)
}

// reportHeld reports the value that is held, if one is.
func (s *session) reportHeld() error {
	if !s.values.held {
		return nil
	}
	s.values.held = false
	return s.counting.report(s.values.value)
}

// fillValues reads from the connection, or returns that the held value is due, whichever
// comes first.
func (s *session) fillValues() (due bool, err error) {
	v := &s.values
	v.now = false
	if !v.held {
		v.reads = 0
		return false, s.fill(s.g.limits.IdleTimeout)
	}
	rate := s.g.limits.ReportRate
	wait := v.wait(rate, time.Now())
	if v.reads++; v.reads > readsPerPause {
		v.reads = 0
		s.sleep(min(wait, pause))
		wait = v.wait(rate, time.Now())
	}
	if wait > 0 {
		if err := s.fill(wait); !isTimeout(err) {
			return false, err
		}
	}
	v.refill(rate, time.Now())
	v.left = max(v.left-1, 0)
	return true, nil
}

// logMerged logs how many values were merged, at intervals and at the end.
func (s *session) logMerged(end bool) {
	v := &s.values
	if v.merged == 0 {
		return
	}
	now := time.Now()
	if !end && now.Sub(v.loggedAt) < mergedEvery {
		return
	}
	s.g.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "legacy client exceeds the report rate: newer values replace older ones",
		slog.String("peer", s.peer), slog.Int("client_id", int(s.counting.id)), slog.Int("values", v.merged))
	s.g.cfg.Metrics.Merged(v.merged)
	v.merged, v.loggedAt = 0, now
}

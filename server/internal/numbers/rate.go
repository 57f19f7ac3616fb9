package numbers

import "time"

const (
	// rateBurst is how far a client may fall behind its rate and catch up: enough after a
	// network outage, and too little to flood the log.
	rateBurst = time.Second
	// minWait is the shortest wait. A client may be ahead of its rate by less; then it
	// waits for the sum. A wake-up costs many times as much as a report.
	minWait = 100 * time.Millisecond
)

// rateLimiter limits the rate of the reports of a session, with a burst of rateBurst. A nil
// rateLimiter is no limit.
type rateLimiter struct {
	interval time.Duration // between reports
	due      time.Time     // of the next report
	waited   time.Duration // in total
}

// newRateLimiter returns the limiter for a rate in reports per second, nil for 0.
func newRateLimiter(rate int) *rateLimiter {
	if rate <= 0 {
		return nil
	}
	return &rateLimiter{interval: time.Second / time.Duration(rate)}
}

// report counts a report and returns how long to wait before receiving the next.
func (l *rateLimiter) report(now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	if earliest := now.Add(-rateBurst); l.due.Before(earliest) {
		l.due = earliest
	}
	l.due = l.due.Add(l.interval)
	wait := l.due.Sub(now)
	if wait < minWait {
		return 0
	}
	l.waited += wait
	return wait
}

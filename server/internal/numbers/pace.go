package numbers

import "time"

const (
	// paceBurst is how far a slower client may fall behind its rate and catch up: enough
	// after a network outage, and too little to flood the log.
	paceBurst = time.Second
	// paceNap is the shortest wait. A client may be ahead of its rate by less; then it
	// waits for the sum. A wake-up costs many times as much as a report.
	paceNap = 100 * time.Millisecond
)

// pace limits the rate of the reports of a session, with a burst of paceBurst. A nil pace
// is no limit.
type pace struct {
	interval time.Duration // between reports
	due      time.Time     // of the next report
	waited   time.Duration // in total
}

// newPace returns the pace for a rate in reports per second; nil for 0.
func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{interval: time.Second / time.Duration(rate)}
}

// report counts a report and returns how long to wait before receiving the next.
func (p *pace) report(now time.Time) time.Duration {
	if p == nil {
		return 0
	}
	if earliest := now.Add(-paceBurst); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(p.interval)
	wait := p.due.Sub(now)
	if wait < paceNap {
		return 0
	}
	p.waited += wait
	return wait
}

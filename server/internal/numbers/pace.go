package numbers

import "time"

const (
	// paceBurst is how much of its time a client that was slower may catch up: enough for
	// one that has waited for a network, and too little to flood the log.
	paceBurst = time.Second
	// paceNap is the least time worth waiting. A client may be ahead of its pace by less;
	// then it waits for all of it at once. To be woken for each report would cost many
	// times what the report does.
	paceNap = 100 * time.Millisecond
)

// pace holds the reports of a session to a steady rate, after a burst of as many as are
// due in paceBurst. A nil pace is that of a client who may be as fast as it likes.
type pace struct {
	interval time.Duration // from one report to the next
	due      time.Time     // when the next report is due
	waited   time.Duration // in all
}

// newPace returns the pace of that many reports a second; nil if that is no bound.
func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{interval: time.Second / time.Duration(rate)}
}

// report notes that a report came, and returns how long to wait before the next is
// taken.
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

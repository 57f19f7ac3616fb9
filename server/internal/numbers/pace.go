package numbers

import "time"

// paceBurst is how much of its time a client that was slower may catch up: enough for
// one that has waited for a network, and too little to flood the log.
const paceBurst = time.Second

// pace says when the next report of a session is due: at a steady rate, after a burst
// of as many as come in paceBurst. A nil pace is that of a client who may be as fast as
// it likes.
type pace struct {
	interval time.Duration // from one report to the next
	due      time.Time     // of the report before the next

	late   int64         // reports that came before they were due
	waited time.Duration // for them
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
	if wait <= 0 {
		return 0
	}
	p.late++
	p.waited += wait
	return wait
}

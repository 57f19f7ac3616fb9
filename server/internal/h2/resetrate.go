package h2

import "time"

// resetRate counts calls and how many of them were reset, in intervals of one second.
type resetRate struct {
	since         time.Time
	opened, reset int
}

// add counts a reset. It reports whether there are more than limit in this second, and at
// least half as many as calls: a peer with many calls may reset many.
func (r *resetRate) add(limit int) bool {
	if now := time.Now(); now.Sub(r.since) >= time.Second {
		*r = resetRate{since: now}
	}
	r.reset++
	return r.reset > limit && 2*r.reset >= r.opened
}

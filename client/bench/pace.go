package bench

import (
	"context"
	"time"
)

// pace limits the rate of a client, which makes it a slow reader.
type pace struct {
	rate  int64 // bytes a second; 0: no limit
	began time.Time
	taken int64
}

func newPace(rate int64) *pace { return &pace{rate: rate, began: time.Now()} }

// keep waits until the rate allows n more bytes, or ctx is done.
func (p *pace) keep(ctx context.Context, n int) {
	if p.rate == 0 {
		return
	}
	p.taken += int64(n)
	due := time.Duration(float64(p.taken) / float64(p.rate) * float64(time.Second))
	sleep(ctx, time.Until(p.began.Add(due)))
}

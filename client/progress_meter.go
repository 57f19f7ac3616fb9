package main

import (
	"fmt"
	"math"
	"time"
)

const (
	// meterStep is the shortest time over which a rate is measured: data comes in bursts.
	meterStep = 500 * time.Millisecond
	// meterMemory is how long a rate counts: the estimate follows the network, and does not
	// jump.
	meterMemory = 3 * time.Second
)

// meter measures the rate of a download in this run: what an earlier run has left does not
// count.
type meter struct {
	began    time.Time
	done, of int64

	at   time.Time // when rate was measured
	last int64     // what was done then
	rate float64   // bytes a second; 0 before there is one
}

// set notes how much is done.
func (m *meter) set(now time.Time, done, of int64) {
	if m.began.IsZero() {
		m.began, m.at, m.last = now, now, done
	}
	m.done, m.of = done, of
}

// measure brings the rate up to date.
func (m *meter) measure(now time.Time) {
	passed := now.Sub(m.at)
	if passed < meterStep {
		return
	}
	rate := max(float64(m.done-m.last), 0) / passed.Seconds()
	if m.rate == 0 {
		m.rate = rate
	} else {
		m.rate += (rate - m.rate) * (1 - math.Exp(-passed.Seconds()/meterMemory.Seconds()))
	}
	m.at, m.last = now, m.done
}

// text says how much is done, how fast, and how long the rest takes.
func (m *meter) text(now time.Time) string {
	m.measure(now)
	text := fmt.Sprintf("%s of %s", size(m.done), size(m.of))
	if m.rate < 1 {
		return text
	}
	left := time.Duration(float64(m.of-m.done) / m.rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s  %s/s  ETA %s", text, size(int64(m.rate)), left)
}

package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// The resolution of latencies is 1 %, or half a microsecond if that is more: about
	// 20 KiB for each histogram.
	shortest    = time.Microsecond
	longest     = time.Hour
	significant = 2
	// histograms is the maximum number of histograms. More clients share them, because
	// 10,001 would need 200 MiB.
	histograms = 64
)

// latency is the distribution of the latencies of some clients.
type latency struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
}

func newLatency() *latency {
	return &latency{histogram: hdrhistogram.New(int64(shortest), int64(longest), significant)}
}

func (l *latency) record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.histogram.RecordValue(int64(min(d, longest))) // fails out of its range only
}

// latencies are the distributions of all clients.
type latencies []*latency

func newLatencies(clients int) latencies {
	all := make(latencies, min(clients, histograms))
	for i := range all {
		all[i] = newLatency()
	}
	return all
}

// of returns that of the i-th client.
func (all latencies) of(i int) *latency { return all[i%len(all)] }

// quantiles returns the values that 50, 99 and 99.9 % of the latencies do not
// exceed, 0 if there are none.
func (all latencies) quantiles() (p50, p99, p999 time.Duration) {
	sum := newLatency().histogram
	for _, l := range all {
		l.mu.Lock()
		sum.Merge(l.histogram)
		l.mu.Unlock()
	}
	at := func(percent float64) time.Duration { return time.Duration(sum.ValueAtPercentile(percent)) }
	return at(50), at(99), at(99.9)
}

package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/register"
)

const (
	// registerWait bounds a scrape of the register, in time below the 10 s that
	// Prometheus waits.
	registerWait = 3 * time.Second
	// registerPage is how many clients are read at once: the default range of IDs
	// takes three pages.
	registerPage = 4096
)

var (
	registerClients = prometheus.NewDesc("parity_register_clients",
		"Clients that registered, reported or drew through the door within that time; a client that used both doors counts for both. Absent while the register cannot be read.",
		[]string{"door", "seen_within"}, nil)
	seenWithin = map[string]time.Duration{
		"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour,
	}
)

type registerCollector struct{ store register.Store }

// NewRegister returns a collector that counts the clients of a register by door. It
// counts them at each scrape; a label for each client would be unbounded.
func NewRegister(s register.Store) prometheus.Collector { return registerCollector{s} }

// Describe implements prometheus.Collector.
func (c registerCollector) Describe(ch chan<- *prometheus.Desc) { ch <- registerClients }

// Collect implements prometheus.Collector. It sends nothing if the register cannot be
// read: an invalid metric would fail the whole scrape.
func (c registerCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), registerWait)
	defer cancel()
	type window struct {
		door   register.Door
		within string
	}
	counts := map[window]int{}
	now := time.Now()
	for after, more := int32(-1), true; more; {
		page, err := c.store.List(ctx, after, registerPage)
		if err != nil || ctx.Err() != nil {
			return
		}
		for _, client := range page {
			for _, door := range register.Doors {
				for within, d := range seenWithin {
					if now.Sub(client.Seen.At(door)) <= d { // false for the zero time: never seen
						counts[window{door, within}]++
					}
				}
			}
			after = client.ID
		}
		more = len(page) == registerPage
	}
	for _, door := range register.Doors {
		for within := range seenWithin {
			ch <- prometheus.MustNewConstMetric(registerClients, prometheus.GaugeValue, float64(counts[window{door, within}]), door.String(), within)
		}
	}
}

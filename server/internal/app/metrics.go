package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// newRegistry returns a registry that has the Go runtime's and the process's
// metrics.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// gatewayMetrics counts the connections of the original protocols.
type gatewayMetrics struct {
	opened    prometheus.Counter
	open      prometheus.Gauge
	closed    *prometheus.CounterVec
	badFrames prometheus.Counter
	merged    prometheus.Counter
}

var _ legacytcp.Metrics = (*gatewayMetrics)(nil)

func newGatewayMetrics(r *prometheus.Registry) *gatewayMetrics {
	m := &gatewayMetrics{
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_connections_opened_total",
			Help: "Connections accepted on the ports of the original protocols.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parity_legacy_connections",
			Help: "Connections of the original protocols that are open now.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parity_legacy_connections_closed_total",
			Help: "Connections of the original protocols that ended, by reason.",
		}, []string{"reason"}),
		badFrames: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_bad_frames_total",
			Help: "Frames of the number dialect that were no requests, and were skipped.",
		}),
		merged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_merged_values_total",
			Help: "Values of the number dialect that came faster than is reported, and that newer ones stood for.",
		}),
	}
	r.MustRegister(m.opened, m.open, m.closed, m.badFrames, m.merged)
	return m
}

func (m *gatewayMetrics) Opened() {
	m.opened.Inc()
	m.open.Inc()
}

func (m *gatewayMetrics) Closed(why legacytcp.Reason) {
	m.open.Dec()
	m.closed.WithLabelValues(string(why)).Inc()
}

func (m *gatewayMetrics) BadFrame() { m.badFrames.Inc() }

func (m *gatewayMetrics) Merged(values int) { m.merged.Add(float64(values)) }

// cacheCollector tells how the cache does.
type cacheCollector struct{ cache *filecache.Cache }

var (
	cacheBytes = prometheus.NewDesc("parity_cache_bytes", "Bytes charged to the cache: contents, and an overhead for each file.", nil, nil)
	cacheLimit = prometheus.NewDesc("parity_cache_capacity_bytes", "Bytes that may be charged.", nil, nil)
	cacheFiles = prometheus.NewDesc("parity_cache_files", "Files in the cache.", nil, nil)
	cacheOpens = prometheus.NewDesc("parity_cache_opens_total",
		"Files opened: found in the cache (hit), read into it (fill), joined while another call had it read (join), too large for it (uncached).",
		[]string{"result"}, nil)
	diskBusy       = prometheus.NewDesc("parity_disk_operations", "Operations of the file system under way for files.", nil, nil)
	diskOpen       = prometheus.NewDesc("parity_disk_open_files", "Served files that are open, in use or idle.", nil, nil)
	diskRefused    = prometheus.NewDesc("parity_disk_refused_total", "Calls sent away because the disk did not answer.", nil, nil)
	cacheEvictions = prometheus.NewDesc("parity_cache_evictions_total", "Files that left the cache: for others, or because they changed.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c cacheCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c cacheCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.cache.Stats()
	ch <- prometheus.MustNewConstMetric(cacheBytes, prometheus.GaugeValue, float64(s.Used))
	ch <- prometheus.MustNewConstMetric(cacheLimit, prometheus.GaugeValue, float64(s.Capacity))
	ch <- prometheus.MustNewConstMetric(cacheFiles, prometheus.GaugeValue, float64(s.Files))
	ch <- prometheus.MustNewConstMetric(diskBusy, prometheus.GaugeValue, float64(s.Busy))
	ch <- prometheus.MustNewConstMetric(diskOpen, prometheus.GaugeValue, float64(s.Open))
	ch <- prometheus.MustNewConstMetric(diskRefused, prometheus.CounterValue, float64(s.Refused))
	ch <- prometheus.MustNewConstMetric(cacheEvictions, prometheus.CounterValue, float64(s.Evictions))
	for result, n := range map[string]int64{"hit": s.Hits, "fill": s.Fills, "join": s.Joins, "uncached": s.Uncached} {
		ch <- prometheus.MustNewConstMetric(cacheOpens, prometheus.CounterValue, float64(n), result)
	}
}

// registerCollector tells how many clients still come through which door. They are
// counted when the metrics are asked for: clients have no labels of their own.
type registerCollector struct{ store register.Store }

const (
	// registerWait bounds the counting: less than the 10 s that Prometheus waits.
	registerWait = 3 * time.Second
	// registerPage is how many clients are read at once: three pages for the IDs
	// that there are by default.
	registerPage = 4096
)

var (
	registerClients = prometheus.NewDesc("parity_register_clients",
		"Clients that registered, reported or drew through the door within that time; one that used both counts at both. Absent while the register cannot be read.",
		[]string{"door", "seen_within"}, nil)
	registerDoors = map[register.Door]string{register.GRPC: origin.GRPC, register.Legacy: origin.Legacy}
	seenWithin    = map[string]time.Duration{
		"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour,
	}
)

// Describe implements prometheus.Collector.
func (c registerCollector) Describe(ch chan<- *prometheus.Desc) { ch <- registerClients }

// Collect implements prometheus.Collector. Where the register cannot be read, it
// leaves its metric out: an invalid one would take all others with it.
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
			for door := range registerDoors {
				for within, d := range seenWithin {
					if now.Sub(client.Seen.At(door)) <= d { // the zero time is no door's
						counts[window{door, within}]++
					}
				}
			}
			after = client.ID
		}
		more = len(page) == registerPage
	}
	for door, name := range registerDoors {
		for within := range seenWithin {
			ch <- prometheus.MustNewConstMetric(registerClients, prometheus.GaugeValue, float64(counts[window{door, within}]), name, within)
		}
	}
}

// lostLogBytes counts what the log could not take.
func lostLogBytes(log *messagelog.Log) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "parity_log_lost_bytes_total",
		Help: "Bytes of log lines that could not be written.",
	}, func() float64 { return float64(log.Lost()) })
}

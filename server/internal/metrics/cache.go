package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/filecache"
)

var (
	cacheBytes = prometheus.NewDesc("parity_cache_bytes", "Bytes charged to the cache: file contents, and an overhead for each file.", nil, nil)
	cacheLimit = prometheus.NewDesc("parity_cache_capacity_bytes", "Bytes that may be charged to the cache.", nil, nil)
	cacheFiles = prometheus.NewDesc("parity_cache_files", "Files in the cache.", nil, nil)
	cacheOpens = prometheus.NewDesc("parity_cache_opens_total",
		"Files opened: found in the cache (hit), read into it (fill), joined while another call reads it (join), too large for it (uncached).",
		[]string{"result"}, nil)
	cacheEvictions = prometheus.NewDesc("parity_cache_evictions_total", "Files that left the cache: to make room, or because they changed.", nil, nil)
	diskBusy       = prometheus.NewDesc("parity_disk_operations", "File system operations in flight.", nil, nil)
	diskOpen       = prometheus.NewDesc("parity_disk_open_files", "Served files that are open, in use or idle.", nil, nil)
	diskRefused    = prometheus.NewDesc("parity_disk_refused_total", "Calls refused because the disk did not answer.", nil, nil)
)

type cacheCollector struct{ cache *filecache.Cache }

// NewCache returns a collector of a cache's statistics.
func NewCache(c *filecache.Cache) prometheus.Collector { return cacheCollector{c} }

// Describe implements prometheus.Collector.
func (c cacheCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c cacheCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.cache.Stats()
	gauge := func(desc *prometheus.Desc, v int64) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(v))
	}
	counter := func(desc *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(cacheBytes, s.Used)
	gauge(cacheLimit, s.Capacity)
	gauge(cacheFiles, int64(s.Files))
	gauge(diskBusy, int64(s.Busy))
	gauge(diskOpen, int64(s.Open))
	counter(diskRefused, s.Refused)
	counter(cacheEvictions, s.Evictions)
	counter(cacheOpens, s.Hits, "hit")
	counter(cacheOpens, s.Fills, "fill")
	counter(cacheOpens, s.Joins, "join")
	counter(cacheOpens, s.Uncached, "uncached")
}

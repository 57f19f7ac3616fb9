// Package metrics has the program's Prometheus collectors, one file for each subject.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"example.com/parity/internal/version"
)

// NewRegistry returns a registry with the metrics of the Go runtime, of the process, and of
// the build.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := version.Read()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "parity_build_info",
		Help:        "1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go_version": build.Go},
	})
	info.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	return r
}

// histogram adds to o what all histograms have: native buckets, for servers that scrape
// them, beside the classic ones. The number of native buckets is bounded, and reset when
// that is too few.
func histogram(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 100
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/internal/tlsfiles"
)

// certificates tells when the certificates of the program expire.
type certificates struct {
	byUse   map[string]*tlsfiles.Live
	expires *prometheus.Desc
}

// NewCertificates returns a collector of the certificates, by what they are used for.
// Those that are nil, or have no certificate, are left out.
func NewCertificates(byUse map[string]*tlsfiles.Live) prometheus.Collector {
	return &certificates{byUse, prometheus.NewDesc("parity_tls_certificate_expiry_timestamp_seconds",
		"When the first certificate of a chain in use expires, in seconds since 1970.", []string{"use"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- c.expires }

// Collect implements prometheus.Collector.
func (c *certificates) Collect(ch chan<- prometheus.Metric) {
	for use, live := range c.byUse {
		if live == nil || live.Expires().IsZero() {
			continue
		}
		ch <- prometheus.MustNewConstMetric(c.expires, prometheus.GaugeValue, float64(live.Expires().Unix()), use)
	}
}

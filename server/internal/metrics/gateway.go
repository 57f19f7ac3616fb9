package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/legacytcp"
)

// Gateway counts the connections of the original protocols.
type Gateway struct {
	opened    prometheus.Counter
	open      prometheus.Gauge
	closed    *prometheus.CounterVec
	badFrames prometheus.Counter
	merged    prometheus.Counter
}

var _ legacytcp.Metrics = (*Gateway)(nil)

// NewGateway returns the metrics of a gateway, registered with r.
func NewGateway(r *prometheus.Registry) *Gateway {
	m := &Gateway{
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_connections_opened_total",
			Help: "Connections accepted on the ports of the original protocols.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "parity_legacy_connections",
			Help: "Open connections of the original protocols.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parity_legacy_connections_closed_total",
			Help: "Connections of the original protocols that ended, by reason.",
		}, []string{"reason"}),
		badFrames: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_bad_frames_total",
			Help: "Frames of the number dialect that were not valid requests and were skipped.",
		}),
		merged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "parity_legacy_merged_values_total",
			Help: "Values of the number dialect that exceeded the report rate and were replaced by newer ones.",
		}),
	}
	r.MustRegister(m.opened, m.open, m.closed, m.badFrames, m.merged)
	return m
}

// Opened implements legacytcp.Metrics.
func (m *Gateway) Opened() {
	m.opened.Inc()
	m.open.Inc()
}

// Closed implements legacytcp.Metrics.
func (m *Gateway) Closed(why legacytcp.Reason) {
	m.open.Dec()
	m.closed.WithLabelValues(string(why)).Inc()
}

// BadFrame implements legacytcp.Metrics.
func (m *Gateway) BadFrame() { m.badFrames.Inc() }

// Merged implements legacytcp.Metrics.
func (m *Gateway) Merged(values int) { m.merged.Add(float64(values)) }

package app

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/netguard"
)

// doorMetrics count the connections of the gRPC door.
type doorMetrics struct {
	turned   *prometheus.CounterVec
	listener atomic.Pointer[netguard.Listener]
}

func newDoorMetrics(r *prometheus.Registry, replies *flow.Account) *doorMetrics {
	m := &doorMetrics{turned: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parity_grpc_connections_cut_total",
		Help: "gRPC connections that were refused because there were as many as may be in all (total) or of one address (address), or cut off because the peer took nothing (write_stalled, send_stalled) or reset its calls too fast (resets).",
	}, []string{"reason"})}
	r.MustRegister(m.turned, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parity_grpc_connections",
		Help: "gRPC connections that are open now.",
	}, func() float64 {
		if l := m.listener.Load(); l != nil {
			return float64(l.Open())
		}
		return 0
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parity_reply_bytes_held",
		Help: "Bytes that wait in memory for clients to take them, of those that --reply-buffer bounds.",
	}, func() float64 { return float64(replies.Held()) }))
	return m
}

func (m *doorMetrics) watch(l *netguard.Listener) { m.listener.Store(l) }

func (m *doorMetrics) turnedAway(why netguard.Reason) { m.turned.WithLabelValues(string(why)).Inc() }

func (m *doorMetrics) cutOff(why h2.Reason) { m.turned.WithLabelValues(string(why)).Inc() }

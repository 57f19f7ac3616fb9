package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/netguard"
)

// GRPCDoor counts the connections of the gRPC door.
type GRPCDoor struct {
	cut      *prometheus.CounterVec
	listener atomic.Pointer[netguard.Listener]
}

// NewGRPCDoor returns the metrics of the gRPC door, registered with r. The replies that
// wait for clients are those of replies.
func NewGRPCDoor(r *prometheus.Registry, replies *flow.Account) *GRPCDoor {
	m := &GRPCDoor{cut: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parity_grpc_connections_cut_total",
		Help: "gRPC connections that were refused because the limit on all connections (total) or on those of one address (address) was reached, closed because they had made no call and another needed the place (displaced), or closed because the peer did not read (write_stalled, send_stalled) or reset its calls too fast (resets).",
	}, []string{"reason"})}
	r.MustRegister(m.cut, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parity_grpc_connections",
		Help: "Open gRPC connections.",
	}, func() float64 {
		if l := m.listener.Load(); l != nil {
			return float64(l.Open())
		}
		return 0
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "parity_reply_bytes_held",
		Help: "Bytes of replies in memory that wait for slow readers, of those that --reply-buffer bounds.",
	}, func() float64 { return float64(replies.Held()) }))
	return m
}

// Watch makes l the listener whose open connections are counted.
func (m *GRPCDoor) Watch(l *netguard.Listener) { m.listener.Store(l) }

// Refused counts a connection that the listener closed.
func (m *GRPCDoor) Refused(why netguard.Reason) { m.cut.WithLabelValues(string(why)).Inc() }

// Closed counts a connection that was closed for what its peer did.
func (m *GRPCDoor) Closed(why h2.Reason) { m.cut.WithLabelValues(string(why)).Inc() }

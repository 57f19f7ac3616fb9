//go:build bare

package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"example.com/parity/server/internal/messagelog"
)

// newInterceptors leaves out the log, the counters and the recovery from panics, to
// measure what they cost: client/bench/compare builds this. What remains is
// needed by the services.
func newInterceptors(cfg *serveConfig, _ *messagelog.Log, _ *prometheus.Registry) interceptors {
	from := newResolver(cfg)
	return interceptors{
		unary:  []grpc.UnaryServerInterceptor{from.Unary},
		stream: []grpc.StreamServerInterceptor{from.Stream},
	}
}

//go:build bare

package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"example.com/parity/server/internal/messagelog"
)

// newInterceptors leaves out the log, the counters and the recovery from panics.
// client/bench/compare measures their cost with this build. The services need the rest.
func newInterceptors(flags *serveCommand, _ *messagelog.Log, _ *prometheus.Registry) interceptors {
	from := newResolver(flags)
	return interceptors{
		unary:  []grpc.UnaryServerInterceptor{from.Unary},
		stream: []grpc.StreamServerInterceptor{from.Stream},
	}
}

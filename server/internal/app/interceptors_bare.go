//go:build bare

package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/auth"
	"example.com/parity/server/internal/messagelog"
)

// newInterceptors leaves out the log, the counters and the recovery from panics.
// client/bench/compare measures their cost with this build. The services need the rest.
func newInterceptors(flags *serveCommand, who *auth.Auth, _ *messagelog.Log, _ *prometheus.Registry) interceptors {
	return newChain(flags, who, interceptors{})
}

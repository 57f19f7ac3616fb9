// Package admin serves what operators look at, over HTTP: metrics, health, and
// profiles of the running program. It is for trusted networks: it has no
// authentication, and listens on loopback unless told otherwise.
package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// headerTimeout is how long a client may take to send a request's headers. There
// is no limit on answers: a profile takes as long as it was asked to.
const headerTimeout = 5 * time.Second

// Server is the HTTP server.
type Server struct{ http http.Server }

// New returns a server of the metrics in registry, at /metrics. /healthz says 200
// while healthy does, else 503. Profiles are at /debug/pprof/.
func New(registry *prometheus.Registry, healthy func() bool) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			http.Error(w, "NOT_SERVING", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "SERVING\n")
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &Server{http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}}
}

// Serve serves on l until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown lets answers that are under way end until ctx is done, and then cuts
// them off.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

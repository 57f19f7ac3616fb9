// Package admin serves what operators look at, over HTTP: metrics, health, and
// profiles of the running program. It is for trusted networks: it has no
// authentication, and listens on loopback unless told otherwise.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// headerTimeout is how long a client may take to send a request's headers. There
// is no limit on answers: a profile takes as long as it was asked to.
const headerTimeout = 5 * time.Second

// Options are what a Server shows.
type Options struct {
	Registry *prometheus.Registry
	// Healthy reports whether the program as a whole serves.
	Healthy func() bool
	// Subjects are the parts of the program whose health is told too, each by its
	// name. Nil: none.
	Subjects func() []Subject
	// CommandLine is how the program was called, without secrets.
	CommandLine []string
}

// Subject is a part of the program.
type Subject struct {
	Name    string
	Healthy bool
}

// Server is the HTTP server.
type Server struct{ http http.Server }

// New returns a server of the metrics, at /metrics. /healthz says 200 while the
// program as a whole is healthy, else 503, and has a line for it and for each of its
// parts. Profiles are at /debug/pprof/.
func New(o Options) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", o.serveHealth)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", o.serveCommandLine) // pprof's own shows passwords
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &Server{http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}}
}

func (o *Options) serveHealth(w http.ResponseWriter, _ *http.Request) {
	healthy := o.Healthy()
	setPlainText(w)
	if !healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, state(healthy))
	if o.Subjects != nil {
		for _, subject := range o.Subjects() {
			fmt.Fprintln(w, subject.Name, state(subject.Healthy))
		}
	}
}

// state is how gRPC's health service calls it.
func state(healthy bool) string {
	if healthy {
		return "SERVING"
	}
	return "NOT_SERVING"
}

// serveCommandLine answers as pprof.Cmdline does.
func (o *Options) serveCommandLine(w http.ResponseWriter, _ *http.Request) {
	setPlainText(w)
	io.WriteString(w, strings.Join(o.CommandLine, "\x00"))
}

func setPlainText(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
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

// Package admin serves operators over HTTP: metrics, health, and profiles of the running
// program. Without Authorize it is for trusted networks.
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

// headerTimeout is how long a client may take to send the headers of a request. Responses
// have no limit: a profile takes as long as the request says.
const headerTimeout = 5 * time.Second

// Options configure a Server.
type Options struct {
	Registry *prometheus.Registry
	// Healthy reports whether the program as a whole serves.
	Healthy func() bool
	// Subjects returns the health of the parts of the program. Nil: no parts.
	Subjects func() []Subject
	// Authorize returns an error unless a bearer token, which may be empty, permits
	// everything but /healthz. Nil: everybody may.
	Authorize func(token string) error
	// CommandLine is the program's command line, without secrets.
	CommandLine []string
}

// Subject is the health of a part of the program.
type Subject struct {
	Name    string
	Healthy bool
}

// Server is the HTTP server.
type Server struct{ http http.Server }

// New returns a server of three groups of pages:
//   - /metrics in the format of Prometheus;
//   - /healthz with a line for the whole program and one for each part. Its status is 200
//     if the whole is healthy, else 503;
//   - /debug/pprof/ as in net/http/pprof.
func New(o Options) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", o.serveHealth)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", o.serveCommandLine) // pprof.Cmdline would show passwords
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &Server{http.Server{Handler: o.guard(mux), ReadHeaderTimeout: headerTimeout}}
}

// guard refuses requests without a token that Authorize accepts. Health is open: load
// balancers have no token.
func (o *Options) guard(next http.Handler) http.Handler {
	if o.Authorize == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
		if err := o.Authorize(token); err != nil && r.URL.Path != "/healthz" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="parity"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
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

// state returns the name that the gRPC health service has for the state.
func state(healthy bool) string {
	if healthy {
		return "SERVING"
	}
	return "NOT_SERVING"
}

// serveCommandLine responds in the format of pprof.Cmdline.
func (o *Options) serveCommandLine(w http.ResponseWriter, _ *http.Request) {
	setPlainText(w)
	io.WriteString(w, strings.Join(o.CommandLine, "\x00"))
}

func setPlainText(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// Serve serves on l until Shutdown. It returns nil then.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown waits for requests in progress until ctx is done, and then closes their
// connections.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

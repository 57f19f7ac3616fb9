package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newServer serves on loopback and returns the server's URL.
func newServer(tb testing.TB, o Options) (s *Server, url string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	s = New(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tb.Cleanup(func() {
		s.Shutdown(context.Background())
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return s, "http://" + l.Addr().String()
}

// get returns the answer to a request.
func get(tb testing.TB, url string) (code int, body string, header http.Header) {
	tb.Helper()
	resp, err := http.Get(url)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestHealth(t *testing.T) {
	healthy, parts := true, []Subject{{"numbers", true}, {"files", false}}
	_, url := newServer(t, Options{
		Healthy:  func() bool { return healthy },
		Subjects: func() []Subject { return parts },
	})
	for _, tt := range []struct {
		healthy bool
		code    int
		body    string
	}{
		{true, http.StatusOK, "SERVING\nnumbers SERVING\nfiles NOT_SERVING\n"}, // a part does not fail the whole
		{false, http.StatusServiceUnavailable, "NOT_SERVING\nnumbers SERVING\nfiles NOT_SERVING\n"},
	} {
		healthy = tt.healthy
		code, body, header := get(t, url+"/healthz")
		if code != tt.code || body != tt.body || header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("healthy %v: %d %q as %q, want %d %q", tt.healthy, code, body, header.Get("Content-Type"), tt.code, tt.body)
		}
	}
	_, url = newServer(t, Options{Healthy: func() bool { return true }})
	if code, body, _ := get(t, url+"/healthz"); code != http.StatusOK || body != "SERVING\n" {
		t.Errorf("without parts: %d %q", code, body)
	}
}

func TestPages(t *testing.T) {
	r := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	r.MustRegister(count)
	count.Add(3)
	_, url := newServer(t, Options{
		Registry:    r,
		Healthy:     func() bool { return true },
		CommandLine: []string{"server", "--state=redis://:xxxxx@localhost"},
	})
	for _, tt := range []struct{ path, want string }{
		{"/metrics", "things_total 3\n"},
		{"/debug/pprof/", "goroutine"},
		{"/debug/pprof/goroutine?debug=1", "goroutine profile"},
		{"/debug/pprof/cmdline", "server\x00--state=redis://:xxxxx@localhost"},
		{"/debug/pprof/symbol", "num_symbols"},
		{"/debug/pprof/trace?seconds=0.01", "go 1."},
	} {
		if code, body, _ := get(t, url+tt.path); code != http.StatusOK || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %.100q, want %q", tt.path, code, body, tt.want)
		}
	}
	if _, body, header := get(t, url+"/debug/pprof/cmdline"); strings.Contains(body, "admin.test") || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the command line is the program's own: %q, headers %v", body, header)
	}
	if code, _, _ := get(t, url+"/other"); code != http.StatusNotFound {
		t.Errorf("another path: %d", code)
	}
	resp, err := http.Post(url+"/metrics", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST of the metrics: %s", resp.Status)
	}
}

// TestShutdown checks that a request in progress may end, and is cut off when the context
// ends.
func TestShutdown(t *testing.T) {
	for name, patient := range map[string]bool{"ends": true, "is cut off": false} {
		t.Run(name, func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			s, url := newServer(t, Options{Healthy: func() bool {
				close(entered)
				<-release
				return true
			}})
			defer close(release)
			answered := make(chan error, 1)
			go func() {
				resp, err := http.Get(url + "/healthz")
				if err == nil {
					resp.Body.Close()
				}
				answered <- err
			}()
			<-entered
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if patient {
				go func() { release <- struct{}{} }()
			} else {
				cancel()
			}
			s.Shutdown(ctx)
			if err := <-answered; (err == nil) != patient {
				t.Errorf("the request in progress ended with %v", err)
			}
		})
	}
}

// TestSlowHeaders checks that a client that does not send its request is cut off.
func TestSlowHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		l := &oneConn{conn: server, closed: make(chan struct{})}
		s := New(Options{Registry: prometheus.NewRegistry()})
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		began := time.Now()
		if _, err := client.Write([]byte("GET /metrics HTTP/1.1\r\n")); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, client)
		if took := time.Since(began); took != headerTimeout {
			t.Errorf("cut off after %v, want %v", took, headerTimeout)
		}
		s.Shutdown(t.Context())
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

package metrics

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// Calls counts calls by method, door and status, under the names that are common since
// go-grpc-middleware's Prometheus provider. The provider itself is not used: it looks
// up each counter by its labels for every call, wraps the stream to count its messages
// (which are in the log), and its frames take half a kilobyte of each session's stack.
type Calls struct {
	started, handled *prometheus.CounterVec
	counters         sync.Map // callKind to *callCounters, bounded by the methods and doors
}

// callKind has the labels of a call that are known when it begins.
type callKind struct {
	method, typ string
	door        register.Door
}

// callCounters are the counters of one callKind.
type callCounters struct {
	labels     []string // of the kind
	handledVec *prometheus.CounterVec

	started prometheus.Counter
	handled [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter] // by status, created when it first occurs
}

// NewCalls returns the metrics of calls, registered with r.
func NewCalls(r *prometheus.Registry) *Calls {
	labels := []string{"grpc_service", "grpc_method", "grpc_type", "door"}
	m := &Calls{
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grpc_server_started_total",
			Help: "Calls started, by method and door.",
		}, labels),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grpc_server_handled_total",
			Help: "Calls ended, by method, door and status.",
		}, append(labels, "grpc_code")),
	}
	r.MustRegister(m.started, m.handled)
	return m
}

// Unary is an interceptor that counts a unary call.
func (m *Calls) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := m.began(ctx, info.FullMethod, "unary")
	resp, err := next(ctx, req)
	c.ended(err)
	return resp, err
}

// Stream is an interceptor that counts a streaming call.
func (m *Calls) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := m.began(ss.Context(), info.FullMethod, streamType(info))
	err := next(srv, ss)
	c.ended(err)
	return err
}

func streamType(info *grpc.StreamServerInfo) string {
	switch {
	case !info.IsServerStream:
		return "client_stream"
	case !info.IsClientStream:
		return "server_stream"
	}
	return "bidi_stream"
}

// began counts the start of a call and returns the counters for its end.
func (m *Calls) began(ctx context.Context, method, typ string) *callCounters {
	kind := callKind{method, typ, origin.FromContext(ctx).Door}
	c, ok := m.counters.Load(kind)
	if !ok {
		labels := kind.labels()
		c, _ = m.counters.LoadOrStore(kind, &callCounters{
			labels: labels, handledVec: m.handled, started: m.started.WithLabelValues(labels...),
		})
	}
	counters := c.(*callCounters)
	counters.started.Inc()
	return counters
}

func (c *callCounters) ended(err error) {
	code := status.Code(err)
	if code > codes.Unauthenticated {
		code = codes.Unknown // a handler may return any number
	}
	counter := c.handled[code].Load()
	if counter == nil {
		made := c.handledVec.WithLabelValues(append(slices.Clone(c.labels), code.String())...)
		counter = &made
		c.handled[code].Store(counter)
	}
	(*counter).Inc()
}

func (k callKind) labels() []string {
	service, method, _ := strings.Cut(strings.TrimPrefix(k.method, "/"), "/")
	return []string{service, method, k.typ, k.door.String()}
}

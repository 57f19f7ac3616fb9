package metrics

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
)

// Calls counts calls by method, door and status, under the names that are common since
// go-grpc-middleware's Prometheus provider. The provider itself is not used: it looks
// up each counter by its labels for every call, wraps the stream to count its messages
// (which are in the log), and its frames take half a kilobyte of each session's stack.
type Calls struct {
	started, handled *prometheus.CounterVec
	inFlight         *prometheus.GaugeVec
	seconds          *prometheus.HistogramVec
	sent             *prometheus.CounterVec
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

	started  prometheus.Counter
	inFlight prometheus.Gauge
	seconds  prometheus.Observer
	sent     prometheus.Counter
	handled  [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter] // by status, created when it first occurs
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
	m.inFlight = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "parity_calls_in_flight",
		Help: "Calls in progress, by method and door. Those of Count are the open counting sessions.",
	}, labels)
	m.seconds = prometheus.NewHistogramVec(histogram(prometheus.HistogramOpts{
		Name: "grpc_server_handling_seconds",
		Help: "Time from the start of a call to its end, by method and door.",
		// From a cached file of some KiB to a session of hours.
		Buckets: []float64{0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600},
	}), labels)
	m.sent = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parity_sent_bytes_total",
		Help: "Bytes of responses, by method and door: of Get the contents of files, of unary calls the encoded responses.",
	}, labels)
	r.MustRegister(m.started, m.handled, m.inFlight, m.seconds, m.sent)
	return m
}

// Unary is an interceptor that counts a unary call.
func (m *Calls) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	c := m.began(ctx, info.FullMethod, "unary")
	began := time.Now()
	resp, err := next(ctx, req)
	if resp, ok := resp.(proto.Message); ok && err == nil {
		c.sent.Add(float64(proto.Size(resp)))
	}
	c.ended(began, err)
	return resp, err
}

// Stream is an interceptor that counts a streaming call.
func (m *Calls) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	c := m.began(ss.Context(), info.FullMethod, streamType(info))
	began := time.Now()
	if info.FullMethod == filesv1.FileService_Get_FullMethodName {
		ss = &getStream{ss, c}
	}
	err := next(srv, ss)
	c.ended(began, err)
	return err
}

// getStream counts the bytes of files. Sessions have no such wrapper: see Calls.
type getStream struct {
	grpc.ServerStream
	counters *callCounters
}

// SendMsg implements grpc.ServerStream.
func (s *getStream) SendMsg(m any) error {
	err := s.ServerStream.SendMsg(m)
	if resp, ok := m.(*filesv1.GetResponse); ok && err == nil {
		s.counters.sent.Add(float64(len(resp.GetData())))
	}
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
			inFlight: m.inFlight.WithLabelValues(labels...), seconds: m.seconds.WithLabelValues(labels...),
			sent: m.sent.WithLabelValues(labels...),
		})
	}
	counters := c.(*callCounters)
	counters.started.Inc()
	counters.inFlight.Inc()
	return counters
}

func (c *callCounters) ended(began time.Time, err error) {
	c.inFlight.Dec()
	c.seconds.Observe(time.Since(began).Seconds())
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

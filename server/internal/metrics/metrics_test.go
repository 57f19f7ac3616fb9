package metrics

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/origin"
)

// expect compares the metrics of r whose names are given with their text format.
func expect(tb testing.TB, r *prometheus.Registry, text string, names ...string) {
	tb.Helper()
	if err := testutil.GatherAndCompare(r, strings.NewReader(text), names...); err != nil {
		tb.Error(err)
	}
}

// lint checks the names and the help texts by Prometheus's conventions.
func lint(tb testing.TB, r *prometheus.Registry) {
	tb.Helper()
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range problems {
		tb.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestCalls(t *testing.T) {
	r := prometheus.NewRegistry()
	calls := NewCalls(r)
	call := func(err error) {
		t.Helper()
		info := &grpc.UnaryServerInfo{FullMethod: "/parity.numbers.v1.NumberService/Draw"}
		_, got := (&origin.Resolver{}).Unary(t.Context(), nil, info, func(ctx context.Context, req any) (any, error) {
			return calls.Unary(ctx, req, info, func(context.Context, any) (any, error) { return nil, err })
		})
		if !errors.Is(got, err) {
			t.Errorf("error %v, want %v", got, err)
		}
	}
	call(nil)
	call(nil)
	call(status.Error(codes.NotFound, ""))
	call(status.Error(4711, "")) // counts as Unknown: labels are bounded
	expect(t, r, `
# HELP grpc_server_handled_total Calls ended, by method, door and status.
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{door="grpc",grpc_code="NotFound",grpc_method="Draw",grpc_service="parity.numbers.v1.NumberService",grpc_type="unary"} 1
grpc_server_handled_total{door="grpc",grpc_code="OK",grpc_method="Draw",grpc_service="parity.numbers.v1.NumberService",grpc_type="unary"} 2
grpc_server_handled_total{door="grpc",grpc_code="Unknown",grpc_method="Draw",grpc_service="parity.numbers.v1.NumberService",grpc_type="unary"} 1
# HELP grpc_server_started_total Calls started, by method and door.
# TYPE grpc_server_started_total counter
grpc_server_started_total{door="grpc",grpc_method="Draw",grpc_service="parity.numbers.v1.NumberService",grpc_type="unary"} 4
`)
	lint(t, r)
}

func TestStreamType(t *testing.T) {
	for want, info := range map[string]grpc.StreamServerInfo{
		"client_stream": {IsClientStream: true},
		"server_stream": {IsServerStream: true},
		"bidi_stream":   {IsClientStream: true, IsServerStream: true},
	} {
		if got := streamType(&info); got != want {
			t.Errorf("streamType(%+v) = %q, want %q", info, got, want)
		}
	}
}

func TestGateway(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewGateway(r)
	for range 3 {
		m.Opened()
	}
	m.Closed(legacytcp.Reason("served"))
	m.BadFrame()
	m.Merged(17)
	expect(t, r, `
# HELP parity_legacy_connections Open connections of the original protocols.
# TYPE parity_legacy_connections gauge
parity_legacy_connections 2
# HELP parity_legacy_connections_closed_total Connections of the original protocols that ended, by reason.
# TYPE parity_legacy_connections_closed_total counter
parity_legacy_connections_closed_total{reason="served"} 1
# HELP parity_legacy_merged_values_total Values of the number dialect that exceeded the report rate and were replaced by newer ones.
# TYPE parity_legacy_merged_values_total counter
parity_legacy_merged_values_total 17
`, "parity_legacy_connections", "parity_legacy_connections_closed_total", "parity_legacy_merged_values_total")
	lint(t, r)
}

func TestGRPCDoor(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewGRPCDoor(r, flow.NewAccount(1<<20))
	m.Closed(h2.Reason("resets"))
	m.Refused("address")
	m.Refused("address")
	expect(t, r, `
# HELP parity_grpc_connections Open gRPC connections.
# TYPE parity_grpc_connections gauge
parity_grpc_connections 0
# HELP parity_reply_bytes_held Bytes of replies in memory that wait for slow readers, of those that --reply-buffer bounds.
# TYPE parity_reply_bytes_held gauge
parity_reply_bytes_held 0
`, "parity_grpc_connections", "parity_reply_bytes_held")
	if got := testutil.ToFloat64(m.cut.WithLabelValues("address")); got != 2 {
		t.Errorf("refused %v, want 2", got)
	}
	lint(t, r)
}

// TestCache opens a file twice.
func TestCache(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	cache, err := filecache.Open(dir, filecache.Options{Capacity: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	for range 2 {
		f, err := cache.Open(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Chunk(t.Context(), 0, 1<<10); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	r := prometheus.NewRegistry()
	r.MustRegister(NewCache(cache))
	expect(t, r, `
# HELP parity_cache_files Files in the cache.
# TYPE parity_cache_files gauge
parity_cache_files 1
# HELP parity_cache_opens_total Files opened: found in the cache (hit), read into it (fill), joined while another call reads it (join), too large for it (uncached).
# TYPE parity_cache_opens_total counter
parity_cache_opens_total{result="fill"} 1
parity_cache_opens_total{result="hit"} 1
parity_cache_opens_total{result="join"} 0
parity_cache_opens_total{result="uncached"} 0
`, "parity_cache_files", "parity_cache_opens_total")
	lint(t, r)
}

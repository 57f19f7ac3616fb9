package metrics

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/origin"
	"example.com/parity/server/internal/register"
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
`, "grpc_server_started_total", "grpc_server_handled_total")
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

// TestCallsOfFiles counts the bytes and the time of a Get, and the call while it is in
// progress.
func TestCallsOfFiles(t *testing.T) {
	r := prometheus.NewRegistry()
	calls := NewCalls(r)
	info := &grpc.StreamServerInfo{FullMethod: filesv1.FileService_Get_FullMethodName, IsServerStream: true}
	labels := `door="grpc",grpc_method="Get",grpc_service="parity.files.v1.FileService",grpc_type="server_stream"`
	stream := &discardStream{ctx: origin.NewContext(t.Context(), origin.Origin{Door: register.GRPC})}
	err := calls.Stream(nil, stream, info, func(_ any, ss grpc.ServerStream) error {
		expect(t, r, "# HELP parity_calls_in_flight Calls in progress, by method and door. Those of Count are the open counting sessions.\n"+
			"# TYPE parity_calls_in_flight gauge\nparity_calls_in_flight{"+labels+"} 1\n", "parity_calls_in_flight")
		return errors.Join(ss.SendMsg(&filesv1.GetResponse{Data: make([]byte, 1000)}), ss.SendMsg(&filesv1.GetResponse{Data: make([]byte, 234)}))
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, "# HELP parity_sent_bytes_total Bytes of responses, by method and door: of Get the contents of files, of unary calls the encoded responses.\n"+
		"# TYPE parity_sent_bytes_total counter\nparity_sent_bytes_total{"+labels+"} 1234\n", "parity_sent_bytes_total")
	if n := testutil.CollectAndCount(calls.seconds); n != 1 {
		t.Errorf("%d histograms, want 1", n)
	}
	lint(t, r)
}

// discardStream is a stream to nobody.
type discardStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *discardStream) Context() context.Context { return s.ctx }
func (s *discardStream) SendMsg(any) error        { return nil }

// TestCommits counts the commits of an SQLite register.
func TestCommits(t *testing.T) {
	r := prometheus.NewRegistry()
	store, err := register.OpenSQLite(filepath.Join(t.TempDir(), "numbers.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	WatchCommits(r, store)
	<-store.Save(7, register.Change{Value: 12, SetValue: true}).Done()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		found[f.GetName()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		if h := m.GetHistogram(); h != nil && h.Schema == nil {
			t.Errorf("%s has no native buckets", f.GetName())
		}
	}
	if found["parity_register_commit_seconds"] != 1 || found["parity_register_committed_clients_total"] != 1 || found["parity_register_commits_failed_total"] != 0 {
		t.Errorf("after one commit: %v", found)
	}
	lint(t, r)
	WatchCommits(prometheus.NewRegistry(), register.NewMemory()) // has none
}

func TestBuildInfo(t *testing.T) {
	r := NewRegistry()
	if n, err := testutil.GatherAndCount(r, "parity_build_info"); err != nil || n != 1 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

package app

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/parity/server/internal/register"
)

func TestAdmin(t *testing.T) {
	r := start(t)
	r.write(t, "f", []byte("content"))
	if _, err := r.doors(t)["legacy"].get(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	nc := dialOld(t, r.legacyAddr())
	nc.send(t, "7 nonsense odd ")
	if _, err := io.ReadAtLeast(nc, make([]byte, 10), 4); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	// Clients with various times of last contact.
	for id, age := range map[int32]time.Duration{100: 2 * time.Hour, 101: 3 * 24 * time.Hour, 102: 20 * 24 * time.Hour, 103: 40 * 24 * time.Hour} {
		if _, _, err := r.store.Register(t.Context(), id, register.GRPC, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	r.store.Save(102, register.Change{Seen: register.SeenAt(register.Legacy, time.Now().Add(-2*time.Hour))})
	get := func(path string) (int, string) {
		t.Helper()
		return fetchPage(t, r.front.adminListener.Addr().String(), path)
	}
	wanted := []string{
		`parity_cache_opens_total{result="fill"} 1`,
		`parity_cache_files 1`,
		`parity_legacy_connections_opened_total 2`,
		`parity_legacy_connections_closed_total{reason="served"} 1`,
		`parity_legacy_connections_closed_total{reason="client_closed"} 1`,
		`parity_legacy_connections 0`,
		`parity_legacy_bad_frames_total 1`,
		`parity_legacy_merged_values_total 0`,
		`parity_register_clients{door="grpc",seen_within="1h"} 0`,
		`parity_register_clients{door="grpc",seen_within="24h"} 1`,
		`parity_register_clients{door="grpc",seen_within="7d"} 2`,
		`parity_register_clients{door="grpc",seen_within="30d"} 3`,
		`parity_register_clients{door="legacy",seen_within="1h"} 1`,
		`parity_register_clients{door="legacy",seen_within="24h"} 2`,
		`parity_register_clients{door="legacy",seen_within="7d"} 2`,
		`parity_register_clients{door="legacy",seen_within="30d"} 2`,
		`grpc_server_handled_total{door="legacy",grpc_code="OK",grpc_method="Get",grpc_service="parity.files.v1.FileService",grpc_type="server_stream"} 1`,
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		_, body := get("/metrics")
		missing := slices.DeleteFunc(slices.Clone(wanted), func(want string) bool { return strings.Contains(body, want+"\n") })
		if len(missing) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("/metrics lacks %q", missing)
		}
	}
	for path, want := range map[string]string{"/healthz": "SERVING", "/debug/pprof/goroutine?debug=1": "goroutine profile"} {
		if code, body := get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %.100q, want %q", path, code, body, want)
		}
	}
	if _, body := get("/healthz"); body != "SERVING\nparity.numbers.v1.NumberService SERVING\nparity.files.v1.FileService SERVING\nparity.log SERVING\n" {
		t.Errorf("GET /healthz: %q, want SERVING for every subject", body)
	}
	r.health.Shutdown()
	if code, _ := get("/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("GET /healthz of a server that is not serving: status %d, want %d", code, http.StatusServiceUnavailable)
	}
}

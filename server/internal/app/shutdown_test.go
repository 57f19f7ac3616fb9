package app

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestShutdown stops a server with open sessions on two doors, a session that has not
// registered, a health watch, and a download that is not read.
func TestShutdown(t *testing.T) {
	r := start(t, "--drain-timeout=2s")
	r.write(t, "big", make([]byte, 100<<20))
	cc := r.dial(t)

	overGRPC, _, err := rpcDoor{cc}.count(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	overLegacy, _, err := legacyDoor{numbers: r.legacyAddr()}.count(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []counting{overGRPC, overLegacy} {
		if err := s.report(42); err != nil {
			t.Fatal(err)
		}
	}
	unregistered, err := numbersv1.NewNumberServiceClient(cc).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	watch, err := grpc_health_v1.NewHealthClient(cc).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	stalled := dialOld(t, r.legacyAddr())
	stalled.send(t, "big")
	if _, err := stalled.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []counting{overGRPC, overLegacy} {
		if err := drawOf(t.Context(), s, "odd"); err != nil { // so that the server has processed the report
			t.Fatal(err)
		}
	}

	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the shutdown took %v with a drain timeout of 2 s, want 10 s at most", took)
	}
	if _, err := unregistered.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the unregistered session ended with %v, want Unavailable", err)
	}
	if err := overGRPC.close(); status.Code(err) != codes.Unavailable {
		t.Errorf("the session ended with %v, want Unavailable", err)
	}
	for {
		if _, err := watch.Recv(); err != nil {
			break
		}
	}
	if _, err := io.Copy(io.Discard, stalled); err == nil {
		t.Error("the download that was cut off ended with EOF, want a reset")
	}
	clients, err := r.store.List(t.Context(), -1, 10)
	if err != nil || len(clients) != 2 || clients[0].Value != 42 || clients[1].Value != 42 {
		t.Errorf("register: %+v, %v; want the value 42 for clients 1 and 2", clients, err)
	}
	if got := r.logged(t, "msg=call", "Count"); len(got) != 3 {
		t.Errorf("the log has the ends of %d sessions, want 3:\n%s", len(got), got)
	}
}

// TestShutdownLetsDownloadsEnd: a shutdown waits for a download that is being read.
func TestShutdownLetsDownloadsEnd(t *testing.T) {
	r := start(t)
	want := content(80 << 20)
	r.write(t, "big", want)
	nc := dialOld(t, r.legacyAddr())
	nc.send(t, "big")
	first := make([]byte, 1)
	if _, err := io.ReadFull(nc, first); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for !strings.Contains(r.stderr.String(), "shutting down") {
		time.Sleep(time.Millisecond)
	}
	rest, err := io.ReadAll(nc)
	if err != nil || !bytes.Equal(append(first, rest...), want) {
		t.Errorf("read %d bytes, %v; want the %d of the file", 1+len(rest), err, len(want))
	}
	if err := <-stopped; err != nil {
		t.Errorf("serve: %v", err)
	}
}

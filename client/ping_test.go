package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

var number = regexp.MustCompile(`\d+\.\d+`)

func TestPing(t *testing.T) {
	server := fakeserver.Start(t, new(fakeserver.Files), new(fakeserver.Numbers))
	ping := func(args string) (status int, out, errs string) {
		t.Helper()
		return runProgram(t.Context(), "", append([]string{"--addr", server.Addr}, strings.Fields(args)...)...)
	}
	want := "PING ADDR\nseq=1 time=T ms  serving\nseq=2 time=T ms  serving\n\n--- ADDR ---\n2 sent, 2 answered, 2 serving\n" +
		"round trip min/avg/max/dev = T/T/T/T ms\nparity.files.v1.FileService: serving\nparity.numbers.v1.NumberService: serving\n"
	for _, args := range []string{"ping -c 2 -i 1ms", "ping -c 2 -i 1ms --draw --service parity.files.v1.FileService"} {
		status, out, errs := ping(args)
		if out = number.ReplaceAllString(strings.ReplaceAll(out, server.Addr, "ADDR"), "T"); status != 0 || out != want || errs != "" {
			t.Errorf("client %s: status %d, %q, %q, want %q", args, status, out, errs, want)
		}
	}

	// One service fails, and the whole goes on.
	server.Health.SetServingStatus(filesv1.FileService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_NOT_SERVING)
	if status, out, errs := ping("ping -c 1"); status != 0 || !strings.Contains(out, " ms  serving, but parity.files.v1.FileService not serving\n") || errs != "" {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if status, _, errs := ping("ping -c 1 --service parity.files.v1.FileService"); status != 1 || errs != "client: serving in 0 of 1 round trips only\n" {
		t.Errorf("status %d, %q", status, errs)
	}
	if status, out, _ := ping("ping -c 1 --service none"); status != 1 || !strings.Contains(out, "none: unknown\n") {
		t.Errorf("status %d, %q", status, out)
	}
	server.Health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	status, out, errs := ping("--json ping -c 1")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var r pingRecord
	var sum pingSummary
	if err := json.Unmarshal([]byte(lines[0]), &r); status != 1 || err != nil || r.Serving || r.Services[""] != "not serving" || r.Milliseconds <= 0 || errs != `{"message":"serving in 0 of 1 round trips only"}`+"\n" {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if err := json.Unmarshal([]byte(lines[1]), &sum); err != nil || sum.Sent != 1 || sum.Answered != 1 || sum.Serving != 0 || sum.Min <= 0 {
		t.Errorf("%q means %+v, %v", lines[1], sum, err)
	}

	// Nobody there.
	server.Stop()
	status, out, errs = ping("--json ping -c 1")
	if want := `{"sequence":1,"serving":false,"error":"cannot reach ` + server.Addr + `: connection refused (is the server running?)","reason":"UNREACHABLE"}`; status != 1 || !strings.HasPrefix(out, want) || !strings.Contains(errs, "UNREACHABLE") {
		t.Errorf("status %d, %q, %q, want %s", status, out, errs, want)
	}
}

// TestPingInterrupted: a ping without end is done when it is interrupted.
func TestPingInterrupted(t *testing.T) {
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	ctx, out, cancel := untilPrinted(t, "seq=3")
	defer cancel()
	if status := execute(ctx, []string{"--addr", server.Addr, "ping", "-i", "1ms"}, streams{nil, out, out}); status != 0 || !strings.Contains(out.String(), "sent, ") {
		t.Errorf("status %d, %q", status, out)
	}
}

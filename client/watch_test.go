package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"example.com/parity/client/internal/explain"
	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// newWatched returns a server with three files, two clients and metrics of which each look
// finds 10 more calls of Draw.
func newWatched(tb testing.TB) (server *fakeserver.Server, metrics string) {
	tb.Helper()
	files, numbers := new(fakeserver.Files), new(fakeserver.Numbers)
	for _, name := range []string{"old", "hostile\x1b[2J", "new"} {
		files.Put(name, make([]byte, 2048))
	}
	for id, ago := range map[int32]time.Duration{3: time.Hour, 4: time.Minute} {
		numbers.Add(&numbersv1.Client{
			ClientId: id, LastNumber: 7, LastValue: 10, ActiveSessions: 2, Door: numbersv1.Door_DOOR_GRPC,
			LastSeen: timestamppb.New(time.Now().Add(-ago)),
		})
	}
	calls := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		calls += 10
		fmt.Fprintf(w, `# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_service="n",grpc_method="Draw",grpc_type="unary",grpc_code="OK",door="grpc"} %d
grpc_server_handled_total{grpc_service="n",grpc_method="Draw",grpc_type="unary",grpc_code="OK",door="legacy"} 5
grpc_server_handled_total{grpc_service="f",grpc_method="Get",grpc_type="server_stream",grpc_code="NotFound",door="grpc"} %d
# TYPE parity_cache_opens_total counter
parity_cache_opens_total{result="hit"} %d
# TYPE parity_grpc_connections gauge
parity_grpc_connections 4
# TYPE parity_legacy_connections gauge
parity_legacy_connections 5
# TYPE parity_sent_bytes_total counter
parity_sent_bytes_total{grpc_method="Get",door="grpc"} %d
# TYPE parity_reply_bytes_held gauge
parity_reply_bytes_held 4096
`, calls, calls/10, calls, calls*1000)
	}))
	tb.Cleanup(web.Close)
	return fakeserver.Start(tb, files, numbers), web.URL + "/metrics"
}

func TestWatchLines(t *testing.T) {
	server, metrics := newWatched(t)
	status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "watch", "-i", "100ms", "-c", "2", "--metrics", metrics)
	first := `^\d\d:\d\d:\d\d  serving  cache: 1 B of 2 B \(50 %\), 3 files  numbers: 2 clients, 4 sessions  connections: 4 gRPC, 5 legacy  sent: 0 B/s  answer: [\d.]+ ms\n`
	second := `\d\d:\d\d:\d\d  serving  cache: .*  numbers: 2 clients, 4 sessions, 0 active, values \+0/s  connections: 4 gRPC, 5 legacy  sent: [\d.]+ [kKM]i?B/s  calls: Draw \d+/s, Get [\d.]+/s  answer: [\d.]+ ms\n$`
	if status != 0 || errs != "" || !regexp.MustCompile(first+second).MatchString(out) {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}

	status, out, errs = runProgram(t.Context(), "", "--addr", server.Addr, "--json", "watch", "-i", "100ms", "-c", "2", "--metrics", metrics)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var s watchSample
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); status != 0 || errs != "" || len(lines) != 2 || err != nil {
		t.Fatalf("status %d, %q, %q", status, out, errs)
	}
	if s.Health != "serving" || s.Used != 1 || s.Capacity != 2 || s.Files != 3 || s.Newest[0].Name != "new" || s.Clients != 2 || s.Sessions != 4 ||
		s.Recent[0].ClientID != 4 || s.Rates == nil || s.Rates.Seconds <= 0 || s.Metrics.HeldBytes != 4096 || s.Metrics.Calls["Draw"] <= 0 ||
		s.Metrics.Failed <= 0 || s.Metrics.Sent <= 0 || s.Metrics.Opens["hit"] <= 0 {
		t.Errorf("%+v", s)
	}
}

func TestWatchFails(t *testing.T) {
	server, metrics := newWatched(t)
	for args, want := range map[string]string{
		"--metrics " + strings.TrimSuffix(metrics, "metrics"): "client: --metrics: " + strings.TrimSuffix(metrics, "metrics") + " answers 404 Not Found\n",
		"--metrics http://localhost:1/":                       "connection refused",
	} {
		status, out, errs := runProgram(t.Context(), "", append([]string{"--addr", server.Addr, "watch", "-c", "1"}, strings.Fields(args)...)...)
		if status != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("watch %s: status %d, %q, %q", args, status, out, errs)
		}
	}
}

// TestWatchOutage: an outage is one line, and ends with the server's return.
func TestWatchOutage(t *testing.T) {
	server, _ := newWatched(t)
	ctx, out, cancel := untilPrinted(t, "serving")
	defer cancel()
	var errs strings.Builder
	out.found = server.Stop
	done, looks := cancel, 0
	lines := &watchLines{c: &watchCommand{}, p: &program{output: output{w: out}, messages: messages{w: &errs}}}
	poller := newWatchPoller(fakeserver.Dial(t, server.Addr), nil)
	for ; ctx.Err() == nil; looks++ {
		sample, err := poller.poll(ctx)
		if showErr := lines.show(sample, err); showErr != nil {
			t.Fatal(showErr)
		}
		if looks == 3 {
			done()
		}
	}
	if strings.Count(errs.String(), "\n") != 1 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q, %q", out, errs.String())
	}
}

func TestRates(t *testing.T) {
	at := time.Now()
	before := map[int32]clientRecord{1: {LastValue: 10, LastSeen: at}, 2: {LastValue: 5, LastSeen: at}, 3: {LastValue: 9, LastSeen: at}}
	after := map[int32]clientRecord{
		1: {LastValue: 30, LastSeen: at.Add(1)}, 2: {LastValue: 5, LastSeen: at}, 3: {LastValue: 1, LastSeen: at.Add(1)},
		4: {LastValue: 4, LastSeen: at.Add(1)},
	}
	if got, want := *rates(before, after, 2*time.Second), (watchRates{2, 3, 12}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestFrame: what fits is shown, and no control characters of others.
func TestFrame(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	s := &watchSample{
		Time: now, Answer: 0.5, Health: "serving", Used: 1 << 20, Capacity: 4 << 20, Files: 1, Clients: 1, Sessions: 1,
		Newest: []fileRecord{{Name: "hostile\x1b[2J", SizeBytes: 1 << 20}}, Recent: []clientRecord{{ClientID: 7, LastValue: 12, LastNumber: 3, ActiveSessions: 1, Door: "grpc", LastSeen: now.Add(-time.Minute)}},
		Rates: &watchRates{2, 1, 4.25},
	}
	v := &watchScreen{c: &watchCommand{}, p: &program{flags: dialFlags{Addr: "host:1"}, messages: messages{server: explain.Server{Addr: "host:1"}}}}
	want := strings.TrimPrefix(`
host:1  03:04:05
serving, answers in 0.5 ms
cache       [#####...............] 1.0 MiB of 4.0 MiB (25 %), 1 file
numbers     1 client, 1 session, 1 active, values +4.2/s

newest clients
    ID         VALUE  INCREMENT  SESSIONS  DOOR    LAST SEEN
     7            12          3         1  grpc    1 min ago



newest files in the cache
      SIZE  MODIFIED             NAME
   1.0 MiB  -                    hostile\x1b[2J


q ends
`, "\n")
	got := ""
	for _, line := range v.frame(s, nil, now, 17) {
		got += line.Text + "\n"
	}
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for height := range 30 {
		if n := len(v.frame(s, nil, now, height)); n > max(height, 1) {
			if height >= 2 {
				t.Errorf("%d lines on a terminal of %d", n, height)
			}
		}
	}
	lost := v.frame(s, errFull, now.Add(5*time.Second), 24)
	if lost[1].Text != "no space left; the rest is 5 s old" {
		t.Errorf("an outage is %q", lost[1].Text)
	}
}

// TestWatchRefused has a caller that may use only one of the services.
func TestWatchRefused(t *testing.T) {
	deny := func(denied ...string) grpc.ServerOption {
		return grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if slices.Contains(denied, path.Base(info.FullMethod)) {
				return nil, refuse(codes.PermissionDenied, "")
			}
			return next(ctx, req)
		})
	}
	for _, c := range []struct {
		denied []string
		status int
		want   string
	}{
		{[]string{"ListClients"}, 0, "  cache: 1 B of 2 B (50 %), 0 files  numbers: permission denied by the server  "},
		{[]string{"List"}, 0, "  cache: permission denied by the server  numbers: 0 clients, 0 sessions  "},
		{[]string{"List", "ListClients"}, 1, "client: permission denied by the server\n"},
	} {
		server := fakeserver.Start(t, new(fakeserver.Files), new(fakeserver.Numbers), deny(c.denied...))
		status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "watch", "-c", "1")
		if status != c.status || !strings.Contains(out+errs, c.want) {
			t.Errorf("without %q: status %d, %q, %q, want %q", c.denied, status, out, errs, c.want)
		}
	}
}

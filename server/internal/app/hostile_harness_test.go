package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/metrics"
)

// memory describes the memory of the process, which has both ends of every connection.
func memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	resident := "unknown"
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		resident, _, _ = strings.Cut(strings.TrimSpace(rest), "\n")
	}
	return fmt.Sprintf("%d goroutines, heap %d KiB, stacks %d KiB, resident %s",
		runtime.NumGoroutine(), m.HeapInuse>>10, m.StackInuse>>10, resident)
}

// hostile is a gateway with its own limits in front of a server's services. It implements
// the gateway's Metrics: it counts closed connections as usual and records their times.
type hostile struct {
	hostility
	*metrics.Gateway
	registry *prometheus.Registry
	door     legacyDoor // of the gateway
	small    []byte
	fetched  atomic.Int64

	mu     sync.Mutex
	closed map[legacytcp.Reason][]time.Time // times in ascending order
}

// Closed implements legacytcp.Metrics.
func (h *hostile) Closed(why legacytcp.Reason) {
	h.Gateway.Closed(why)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed[why] = append(h.closed[why], time.Now())
}

func (h *hostile) closedAt(why legacytcp.Reason) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.closed[why])
}

func newHostile(t *testing.T, how hostility) *hostile {
	t.Helper()
	r := start(t, "--log-messages=false", "--sessions-per-client=0") // all slow senders of a kind have the same ID
	registry := prometheus.NewRegistry()
	h := &hostile{
		hostility: how, Gateway: metrics.NewGateway(registry), registry: registry,
		small: content(10_000), closed: map[legacytcp.Reason][]time.Time{},
	}
	r.write(t, "small", h.small)
	r.write(t, "big", make([]byte, hostileBigFile))
	gateway := legacytcp.New(legacytcp.Config{
		Numbers: numbersv1.NewNumberServiceClient(r.channel),
		Files:   filesv1.NewFileServiceClient(r.channel),
		Logger:  r.log.Logger,
		Metrics: h,
		Limits:  how.limits,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- gateway.Serve(l, legacytcp.Both) }()
	t.Cleanup(func() {
		if err := errors.Join(gateway.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	h.door = legacyDoor{numbers: l.Addr().String(), files: l.Addr().String()}
	return h
}

// warmUp opens and closes as many sessions as there will be good clients, so that
// everything that is kept for further connections exists. It returns the number of
// goroutines.
func (h *hostile) warmUp(t *testing.T) int {
	t.Helper()
	var sessions []counting
	for i := range hostileGood {
		s, _, err := h.door.count(t.Context(), int32(hostileFirstID+i))
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	for _, s := range sessions {
		s.close()
	}
	for before := -1; ; {
		now := runtime.NumGoroutine()
		if now == before && len(h.closedAt(legacytcp.ReasonClient)) == hostileGood {
			return now
		}
		before = now
		time.Sleep(100 * time.Millisecond)
	}
}

// countWell counts, draws and downloads as a good client until stop is closed. Then it
// reconnects and checks its last value.
func (h *hostile) countWell(ctx context.Context, id int32, stop <-chan struct{}) (latencies []time.Duration, err error) {
	s, value, err := h.door.count(ctx, id)
	if err != nil {
		return nil, err
	}
	defer s.close()
	tick := time.NewTicker(h.cadence)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			s.close()
			sessions := map[int32]counting{}
			if err := connect(ctx, h.door, sessions, id, value); err != nil {
				return latencies, err
			}
			return latencies, sessions[id].close()
		case <-tick.C:
		}
		value++
		if err := s.report(value); err != nil {
			return latencies, fmt.Errorf("report %d: %w", value, err)
		}
		begun := time.Now()
		if err := h.draw(ctx, s, value); err != nil {
			return latencies, fmt.Errorf("draw after %d: %w", value, err)
		}
		latencies = append(latencies, time.Since(begun))
		if value%hostileFetchEvery == int64(id)%hostileFetchEvery {
			if err := h.fetch(ctx); err != nil {
				return latencies, err
			}
		}
	}
}

func (h *hostile) draw(ctx context.Context, s counting, value int64) error {
	ctx, cancel := context.WithTimeout(ctx, h.late)
	defer cancel()
	return drawOf(ctx, s, []string{"even", "odd"}[value%2])
}

func (h *hostile) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.late)
	defer cancel()
	data, err := h.door.get(ctx, "small")
	if err != nil || !bytes.Equal(data, h.small) {
		return fmt.Errorf("downloaded %d bytes, %v; want the file", len(data), err)
	}
	h.fetched.Add(1)
	return nil
}

// checkClosed checks how many connections were closed for which reason, and when.
func (h *hostile) checkClosed(t *testing.T, kinds []badKind, spans map[legacytcp.Reason][2]time.Time, started time.Time) {
	t.Helper()
	want := map[string]int{string(legacytcp.ReasonServed): int(h.fetched.Load())}
	for _, kind := range kinds {
		want[string(kind.reason)] += kind.n
	}
	got := h.closedByReason(t)
	for end := time.Now().Add(5 * time.Second); (got[string(legacytcp.ReasonServed)] < want[string(legacytcp.ReasonServed)] || got[string(legacytcp.ReasonClient)] < 3*hostileGood) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // a client sees EOF before the gateway counts it
		got = h.closedByReason(t)
	}
	// Good clients close their connections: after the warm-up, at the end, and after each
	// attempt to reconnect, of which there may be several.
	want[string(legacytcp.ReasonClient)] = max(got[string(legacytcp.ReasonClient)], 3*hostileGood)
	if !maps.Equal(got, want) {
		t.Errorf("closed connections by reason: %v, want %v", got, want)
	}
	for reason, span := range spans {
		times := h.closedAt(reason)
		if reason == legacytcp.ReasonServed || len(times) == 0 {
			continue // the good clients' downloads are among them
		}
		first, last := times[0], times[len(times)-1]
		t.Logf("%s: %d, from %s to %s after the start", reason, len(times),
			first.Sub(started).Round(time.Millisecond), last.Sub(started).Round(time.Millisecond))
		if first.Before(span[0]) || last.After(span[1]) {
			t.Errorf("%s: want all between %s and %s after the start", reason, span[0].Sub(started), span[1].Sub(started))
		}
	}
}

// closedByReason returns the exported counts of closed connections.
func (h *hostile) closedByReason(t *testing.T) map[string]int {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, family := range families {
		if family.GetName() != "parity_legacy_connections_closed_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			counts[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
		}
	}
	return counts
}

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/metrics"
)

// hostility is how much of it there is.
type hostility struct {
	silent, dribblers, deaf int // connections
	limits                  legacytcp.Limits
	drip                    time.Duration // between two bytes of a dribbler; more than the quiet
	cadence                 time.Duration // of the good clients
	late                    time.Duration // how late the end of a connection may be on a busy machine
}

var (
	ordinaryHostility = hostility{
		silent: 200, dribblers: 52, deaf: 20,
		limits: legacytcp.Limits{
			FirstByteTimeout: 2 * time.Second,
			WriteTimeout:     2 * time.Second,
			Quiet:            5 * time.Millisecond,
		},
		drip: 25 * time.Millisecond, cadence: 20 * time.Millisecond, late: 20 * time.Second,
	}
	fullHostility = hostility{
		silent: 5_000, dribblers: 1_000, deaf: 200,
		limits: legacytcp.Limits{FirstByteTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}, // the defaults
		drip:   time.Second, cadence: 100 * time.Millisecond, late: 10 * time.Second,
	}
)

const (
	hostileGood = 100
	// hostileFirstID is the good clients' least ID, above those that dribblers get.
	hostileFirstID = 5_000
	// hostileFetchEvery is how many rounds of counting there are for a fetch.
	hostileFetchEvery = 20
	// hostileBigFile is more than the kernel takes for a client that does not read.
	hostileBigFile = 32 << 20
)

// badSort is a sort of bad connections.
type badSort struct {
	n      int
	behave func(nc net.Conn) error // until the gateway has closed nc
	reason legacytcp.Reason        // for which it does
	// How long that takes at least and at most.
	least, most time.Duration
}

func (how hostility) sorts(deafGone <-chan struct{}) []badSort {
	first, write := how.limits.FirstByteTimeout, how.limits.WriteTimeout
	dribblers := func(reason legacytcp.Reason, start, repeated, reply string, bytes int) badSort {
		return badSort{
			n: how.dribblers / 4, reason: reason,
			behave: func(nc net.Conn) error { return dribble(nc, start, repeated, reply, how.drip) },
			least:  time.Duration(max(bytes-3, 0)) * how.drip,
			most:   time.Duration(bytes+2) * how.drip,
		}
	}
	return []badSort{
		{n: how.silent, reason: legacytcp.ReasonFirstByteTimeout, behave: beSilent, least: first * 99 / 100, most: first},
		// What the kernel takes is progress, some of it late.
		{n: how.deaf, reason: legacytcp.ReasonWriteTimeout, behave: beDeaf(deafGone), least: write * 99 / 100, most: 2 * write},
		// The first digit is an ID, since no other comes within the quiet. The 64th
		// byte after it makes a frame too long. (On a busy machine the ID gets more
		// digits, which are zeros so that it stays the same.)
		dribblers(legacytcp.ReasonFrameTooLong, "0", "0", "0 ", 1+64),
		dribblers(legacytcp.ReasonFrameTooLong, "2 ", "x", "0 ", 2+64),
		// Frames that are no requests: the 16th is the last.
		dribblers(legacytcp.ReasonBadFrames, "3 ", "x ", "0 ", 2+2*16),
		// The name of no file, complete after the quiet.
		dribblers(legacytcp.ReasonServed, "x", "x", "File not found", 1),
	}
}

// beSilent expects the end without a word.
func beSilent(nc net.Conn) error {
	if data, err := io.ReadAll(nc); err != nil || len(data) > 0 {
		return fmt.Errorf("silent: read %q, %v; want the end", data, err)
	}
	return nil
}

// beDeaf asks for a file and does not read before gone is closed: then there must be
// less than the file, and a reset.
func beDeaf(gone <-chan struct{}) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		if _, err := io.WriteString(nc, "big"); err != nil {
			return err
		}
		<-gone
		if n, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) || n >= hostileBigFile {
			return fmt.Errorf("deaf: %d bytes, %v; want less than the file and a reset", n, err)
		}
		return nil
	}
}

// dribble sends a byte a drip until the gateway ends the connection after reply.
func dribble(nc net.Conn, start, repeated, reply string, drip time.Duration) error {
	var sending sync.WaitGroup
	sending.Go(func() {
		for text := start; ; text = repeated {
			for i := range text {
				if _, err := io.WriteString(nc, text[i:i+1]); err != nil {
					return
				}
				time.Sleep(drip)
			}
		}
	})
	data, err := io.ReadAll(nc)
	nc.Close()
	sending.Wait()
	if err != nil || string(data) != reply {
		return fmt.Errorf("dribbling %q: read %q, %v; want %q and the end", start+repeated, data, err, reply)
	}
	return nil
}

// TestHostileClients has connections that send nothing, connections that send a byte
// now and then, and connections that ask for a file and never read it, beside good
// clients, who must see nothing of them. PARITY_HOSTILE_SCALE=full has thousands of
// them, and the limits that there are by default.
func TestHostileClients(t *testing.T) {
	how := ordinaryHostility
	if os.Getenv("PARITY_HOSTILE_SCALE") == "full" {
		how = fullHostility
		raiseFileLimit(t, 2*(how.silent+how.dribblers+how.deaf+2*hostileGood)+100)
	}
	h := newHostile(t, how)
	before := h.warmUp(t)
	started := time.Now()

	var good, bad sync.WaitGroup
	stop := make(chan struct{})
	latencies := make([][]time.Duration, hostileGood)
	for i := range latencies {
		good.Go(func() {
			var err error
			if latencies[i], err = h.countWell(t.Context(), int32(hostileFirstID+i), stop); err != nil {
				t.Errorf("good client %d, %s after the start: %v", i, time.Since(started), err)
			}
		})
	}
	deafGone := make(chan struct{})
	sorts := how.sorts(deafGone)
	spans := map[legacytcp.Reason][2]time.Time{} // when they must be closed
	for _, sort := range sorts {
		span, seen := spans[sort.reason]
		if earliest := time.Now().Add(sort.least); !seen || earliest.Before(span[0]) {
			span[0] = earliest
		}
		for range sort.n {
			nc, err := net.Dial("tcp", h.door.numbers)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(sort.most + 2*how.late))
			bad.Go(func() {
				defer nc.Close()
				if err := sort.behave(nc); err != nil {
					t.Errorf("%s after the start: %v", time.Since(started), err)
				}
			})
		}
		if latest := time.Now().Add(sort.most + how.late); latest.After(span[1]) {
			span[1] = latest
		}
		spans[sort.reason] = span
	}
	t.Logf("all connected %s after the start: %s", time.Since(started), memory())

	deaf := legacytcp.ReasonWriteTimeout
	for len(h.closedAt(deaf)) < how.deaf && time.Now().Before(spans[deaf][1]) {
		time.Sleep(10 * time.Millisecond)
	}
	close(deafGone)
	bad.Wait()
	close(stop)
	good.Wait()

	h.checkClosed(t, sorts, spans, started)
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	if len(all) < 10*hostileGood {
		t.Fatalf("the good clients drew %d times only", len(all))
	}
	t.Logf("the good clients drew %d times, p50 %s, p99 %s, at most %s, and fetched %d times",
		len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1], h.fetched.Load())

	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("in the end: %s", memory())
	if now := runtime.NumGoroutine(); now > before {
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines, %d before:\n%s", now, before, stacks.String())
	}
}

// raiseFileLimit lets the process have so many files open.
func raiseFileLimit(t *testing.T, need int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < uint64(need) {
		t.Skipf("%d files may be open at most, needs %d", limit.Max, need)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// memory says what the process takes, with both ends of every connection.
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

// hostile is a gateway with limits of its own before the services of a server. It
// is the gateway's Metrics: it counts as usual, and notes when.
type hostile struct {
	hostility
	*metrics.Gateway
	registry *prometheus.Registry
	door     legacyDoor // all go through it
	small    []byte
	fetched  atomic.Int64

	mu     sync.Mutex
	closed map[legacytcp.Reason][]time.Time // in this order
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
	r := start(t, "--log-messages=false", "--sessions-per-client=0") // all dribblers of a sort have one ID
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

// warmUp has as many clients as there will be good ones, so that whatever is kept for
// the next connections is there, and returns the number of goroutines.
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

// countWell counts, draws and fetches as a good client until stop is closed, then
// comes back once to see whether its last value is known.
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
			return latencies, fmt.Errorf("reporting %d: %w", value, err)
		}
		begun := time.Now()
		if err := h.draw(ctx, s, value); err != nil {
			return latencies, fmt.Errorf("at %d: %w", value, err)
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
		return fmt.Errorf("fetched %d bytes, %v; want the file", len(data), err)
	}
	h.fetched.Add(1)
	return nil
}

// checkClosed looks at how many connections were closed, for which reason, and when.
func (h *hostile) checkClosed(t *testing.T, sorts []badSort, spans map[legacytcp.Reason][2]time.Time, started time.Time) {
	t.Helper()
	want := map[string]int{string(legacytcp.ReasonServed): int(h.fetched.Load())}
	for _, sort := range sorts {
		want[string(sort.reason)] += sort.n
	}
	got := h.closedByReason(t)
	for end := time.Now().Add(5 * time.Second); (got[string(legacytcp.ReasonServed)] < want[string(legacytcp.ReasonServed)] || got[string(legacytcp.ReasonClient)] < 3*hostileGood) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // a client sees the end before it is counted
		got = h.closedByReason(t)
	}
	// Good clients leave of their own accord: when all is warm, in the end, and once
	// they have come back, as often as it takes.
	want[string(legacytcp.ReasonClient)] = max(got[string(legacytcp.ReasonClient)], 3*hostileGood)
	if !maps.Equal(got, want) {
		t.Errorf("closed connections by reason: %v, want %v", got, want)
	}
	for reason, span := range spans {
		times := h.closedAt(reason)
		if reason == legacytcp.ReasonServed || len(times) == 0 {
			continue // good ones are among them
		}
		first, last := times[0], times[len(times)-1]
		t.Logf("%s: %d, from %s to %s after the start", reason, len(times),
			first.Sub(started).Round(time.Millisecond), last.Sub(started).Round(time.Millisecond))
		if first.Before(span[0]) || last.After(span[1]) {
			t.Errorf("%s: want %s to %s after the start", reason, span[0].Sub(started), span[1].Sub(started))
		}
	}
}

// closedByReason returns what operators see.
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

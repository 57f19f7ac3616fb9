package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/parity/client/bench"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCompare runs short measurements.
func TestCompare(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs")
	}
	var out bytes.Buffer
	args := []string{"-rounds", "2", "-for", "50ms", "-json", "-only", "^legacy draws|^gRPC Count draws, 64 streams, 1 conn"}
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got struct{ Comparisons []comparison }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Comparisons) != 4 {
		t.Fatalf("%d comparisons, want 4", len(got.Comparisons))
	}
	for _, c := range got.Comparisons {
		if c.Parity <= 0 || c.BaselineRate <= 0 || c.Ratio != c.Parity/c.BaselineRate {
			t.Errorf("%+v does not add up", c)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-for", "0s"}, {"-only", "("}, {"extra"}, {"-only", "no such row"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q) = nil", args)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}} {
		if got := median(slices.Clone(c.values)); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

// TestTables prints the tables of invented results.
func TestTables(t *testing.T) {
	r := &results{
		options: options{rounds: 3, length: time.Second},
		rates:   map[work][]*bench.Result{},
		rows: []row{{"reading", megabytes, "get", []baseline{
			{"slow", work{bare, "get"}, 2},
			{"fast", work{raw, "legacy-get"}, 0.5},
		}, parity}},
		memory: []peak{{memoryRow{"waiting", "get", 2 << 20}, 1 << 20}},
		grids:  []grid{{"draws (× bare)", operations, bare, []gridRow{{"count", "count --connections 1"}}}},
	}
	measured := func(w work, rates ...float64) {
		for _, rate := range rates {
			r.rates[w] = append(r.rates[w], &bench.Result{MegabytesPerSecond: rate, OperationsPerSecond: 10 * rate})
		}
	}
	measured(work{parity, "get"}, 100, 300, 200)
	measured(work{bare, "get"}, 80, 100, 120)
	measured(work{raw, "legacy-get"}, 500, 500, 500)
	for i, clients := range []string{"1", "4", "16", "64"} {
		measured(work{parity, "count --clients " + clients + " --connections 1"}, float64(i+1))
		measured(work{bare, "count --clients " + clients + " --connections 1"}, 2)
	}

	var b strings.Builder
	if err := r.writeMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "\n")
	want := `
| work | Parity | baseline | | ratio | at least | |
|---|--:|---|--:|--:|--:|---|
| reading | 200 MB/s | slow | 100 MB/s | 2.00 | 2.00 | reached |
| reading | 200 MB/s | fast | 500 MB/s | 0.40 | 0.50 | missed |

| work | resident at the peak | less than | |
|---|--:|--:|---|
| waiting | 1 MiB | 2 MiB | reached |

| draws (× bare) | clients: 1 | clients: 4 | clients: 16 | clients: 64 |
|---|--:|--:|--:|--:|
| count | 10 (0.50) | 20 (1.00) | 30 (1.50) | 40 (2.00) |
`
	if got != want {
		t.Errorf("tables are\n%s\nwant\n%s", got, want)
	}
}

// TestStartFails starts a program that ends at once. The error has its output.
func TestStartFails(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	addrs, err := freeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = start(t.Context(), addrs, nil, shell, "-c", "echo no such luck >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "no such luck") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("start = %v, want what the program said", err)
	}
}

package bench

import (
	"fmt"
	"strings"
	"time"
)

// Result is the outcome of a load.
type Result struct {
	Load       string   `json:"load"`
	Clients    int      `json:"clients"` // that could connect
	Seconds    float64  `json:"seconds"`
	Operations int64    `json:"operations"` // that succeeded: files got, numbers drawn
	Bytes      int64    `json:"bytes"`      // of files
	Errors     int64    `json:"errors"`
	Examples   []string `json:"error_examples,omitempty"` // the first few different errors

	OperationsPerSecond float64 `json:"operations_per_second"`
	MegabytesPerSecond  float64 `json:"megabytes_per_second"` // millions of bytes
	Latency             Latency `json:"latency_ms"`

	Server *ServerUse `json:"server,omitempty"`
}

// Latency is how long operations took, in milliseconds: the values that half, 99 %
// and 99.9 % of them do not exceed.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
}

func (r *run) result(elapsed time.Duration, use *ServerUse) *Result {
	p := &Result{Load: r.load.name(), Clients: len(r.clients), Seconds: elapsed.Seconds(), Server: use}
	for _, t := range r.tallies {
		p.Operations += t.operations.Load()
		p.Bytes += t.bytes.Load()
	}
	p.Errors, p.Examples = r.errors.get()
	p.OperationsPerSecond = float64(p.Operations) / p.Seconds
	p.MegabytesPerSecond = float64(p.Bytes) / 1e6 / p.Seconds
	p50, p99, p999 := r.latency.quantiles()
	p.Latency = Latency{milliseconds(p50), milliseconds(p99), milliseconds(p999)}
	return p
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Lines returns the result as text.
func (p *Result) Lines() []string {
	lines := []string{
		fmt.Sprintf("load        %s, clients: %d, %.1f s", p.Load, p.Clients, p.Seconds),
		fmt.Sprintf("throughput  %s", p.throughput()),
		fmt.Sprintf("latency     p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms", p.Latency.P50, p.Latency.P99, p.Latency.P999),
	}
	if p.Server != nil {
		lines = append(lines, "server      "+p.Server.String())
	}
	errors := fmt.Sprintf("errors      %d", p.Errors)
	for _, e := range p.Examples {
		errors += fmt.Sprintf(" %q", e)
	}
	return append(lines, errors)
}

// rates returns the rates as text, which also shows the progress.
func (p *Result) rates() string {
	return fmt.Sprintf("%s, p99 %.3f ms, %d errors", p.throughput(), p.Latency.P99, p.Errors)
}

func (p *Result) throughput() string {
	var b strings.Builder
	if p.Bytes > 0 {
		fmt.Fprintf(&b, "%.1f MB/s, ", p.MegabytesPerSecond)
	}
	fmt.Fprintf(&b, "%.1f operations/s", p.OperationsPerSecond)
	return b.String()
}

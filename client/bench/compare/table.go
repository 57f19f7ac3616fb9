package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
)

// comparison is a row and one of its baselines, measured.
type comparison struct {
	Work         string  `json:"work"`
	Unit         unit    `json:"unit"`
	Parity       float64 `json:"parity"`
	Baseline     string  `json:"baseline"`
	BaselineRate float64 `json:"baseline_rate"`
	Ratio        float64 `json:"ratio"`
	AtLeast      float64 `json:"at_least"`
	Reached      bool    `json:"reached"`
}

// memoryUse is a memory row, measured.
type memoryUse struct {
	Work    string `json:"work"`
	Bytes   uint64 `json:"peak_bytes"`
	Most    uint64 `json:"at_most_bytes"`
	Reached bool   `json:"reached"`
}

// cell is one cell of a grid, measured.
type cell struct {
	Grid    string  `json:"grid"`
	Row     string  `json:"row"`
	Clients int     `json:"clients"`
	Parity  float64 `json:"parity"`
	Ratio   float64 `json:"ratio"`
}

func (r *results) comparisons() (all []comparison) {
	for _, row := range r.rows {
		for _, b := range row.against {
			c := comparison{
				Work: row.name, Unit: row.unit, Parity: r.rate(row.work(), row.unit),
				Baseline: b.name, BaselineRate: r.rate(b.work, row.unit), AtLeast: b.atLeast,
			}
			c.Ratio = c.Parity / c.BaselineRate
			c.Reached = c.Ratio >= c.AtLeast
			all = append(all, c)
		}
	}
	return all
}

func (r *results) memoryUses() (all []memoryUse) {
	for _, p := range r.memory {
		all = append(all, memoryUse{p.row.name, p.bytes, p.row.most, p.bytes < p.row.most})
	}
	return all
}

func (r *results) cells() (all []cell) {
	for _, g := range r.grids {
		for _, row := range g.rows {
			for _, clients := range gridClients {
				ours, plain := g.cell(row, clients)
				rate := r.rate(ours, g.unit)
				all = append(all, cell{g.name, row.name, clients, rate, rate / r.rate(plain, g.unit)})
			}
		}
	}
	return all
}

func (r *results) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Rounds      int          `json:"rounds"`
		Seconds     float64      `json:"seconds"` // of one measurement
		Comparisons []comparison `json:"comparisons,omitempty"`
		Memory      []memoryUse  `json:"memory,omitempty"`
		Scaling     []cell       `json:"scaling,omitempty"`
	}{r.options.rounds, r.options.length.Seconds(), r.comparisons(), r.memoryUses(), r.cells()})
}

func (r *results) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s/%s, %d processors. Medians of %d rounds of %v.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), r.options.rounds, r.options.length)
	if len(r.rows) > 0 {
		b.WriteString("\n| work | Parity | baseline | | ratio | at least | |\n|---|--:|---|--:|--:|--:|---|\n")
		for _, c := range r.comparisons() {
			fmt.Fprintf(&b, "| %s | %.0f %s | %s | %.0f %s | %.2f | %.2f | %s |\n",
				c.Work, c.Parity, c.Unit, c.Baseline, c.BaselineRate, c.Unit, c.Ratio, c.AtLeast, verdict(c.Reached))
		}
	}
	if len(r.memory) > 0 {
		b.WriteString("\n| work | resident at the peak | less than | |\n|---|--:|--:|---|\n")
		for _, m := range r.memoryUses() {
			fmt.Fprintf(&b, "| %s | %d MiB | %d MiB | %s |\n", m.Work, m.Bytes>>20, m.Most>>20, verdict(m.Reached))
		}
	}
	grid := ""
	for i, c := range r.cells() {
		if c.Grid != grid {
			grid = c.Grid
			fmt.Fprintf(&b, "\n| %s |", grid)
			for _, clients := range gridClients {
				fmt.Fprintf(&b, " clients: %d |", clients)
			}
			b.WriteString("\n|---|" + strings.Repeat("--:|", len(gridClients)) + "\n")
		}
		if i%len(gridClients) == 0 {
			fmt.Fprintf(&b, "| %s |", c.Row)
		}
		fmt.Fprintf(&b, " %.0f (%.2f) |", c.Parity, c.Ratio)
		if i%len(gridClients) == len(gridClients)-1 {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func verdict(reached bool) string {
	if reached {
		return "reached"
	}
	return "missed"
}

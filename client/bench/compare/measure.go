package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/parity/client/bench"
)

// results are all measurements.
type results struct {
	options options
	rates   map[work][]*bench.Result // one a round
	rows    []row
	memory  []peak
	grids   []grid
}

var errNothing = errors.New("-only: matches nothing")

// plan returns the measurements that o selects.
func plan(o options) (*results, error) {
	r := &results{options: o, rates: make(map[work][]*bench.Result)}
	for _, row := range rows {
		if o.only.MatchString(row.name) {
			r.rows = append(r.rows, row)
		}
	}
	for _, row := range memoryRows {
		if o.only.MatchString(row.name) {
			r.memory = append(r.memory, peak{row: row})
		}
	}
	for _, grid := range grids {
		if o.scaling && o.only.MatchString(grid.name) {
			r.grids = append(r.grids, grid)
		}
	}
	if len(r.rows)+len(r.memory)+len(r.grids) == 0 {
		return nil, errNothing
	}
	return r, nil
}

// measure runs the planned measurements.
func (r *results) measure(ctx context.Context, p *programs) error {
	if err := r.measureRates(ctx, p); err != nil {
		return err
	}
	return r.measureMemory(ctx, p)
}

// works returns the works to measure, each once, and those of the baselines.
func (r *results) works() (all []work) {
	add := func(w work) {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	for _, row := range r.rows {
		add(row.work())
		for _, b := range row.against {
			add(b.work)
		}
	}
	for _, g := range r.grids {
		for _, row := range g.rows {
			for _, clients := range gridClients {
				parity, baseline := g.cell(row, clients)
				add(parity)
				add(baseline)
			}
		}
	}
	return all
}

// measureRates runs all works, round by round, every other round in reverse order, so that
// the state of the machine within a round affects all of them.
func (r *results) measureRates(ctx context.Context, p *programs) error {
	all := r.works()
	if len(all) == 0 {
		return nil
	}
	directory, names := p.path("data"), []string{"f4k", "f1m", "f32m", "cold1", "cold2", "cold3"}
	large := slices.ContainsFunc(all, func(w work) bool { return w.target == roomy })
	if large || len(r.grids) > 0 {
		names = append(names, "f1g")
	}
	if err := writeFiles(directory, names...); err != nil {
		return err
	}
	servers := make(map[target]*server)
	targets := []target{parity, services, raw}
	if large {
		targets = append(targets, roomy)
	}
	for _, t := range targets {
		s, err := p.start(ctx, t, directory)
		if err != nil {
			return err
		}
		defer s.stop()
		servers[t] = s
	}
	servers[bare] = servers[raw] // one process

	for round := range r.options.rounds {
		for _, w := range all {
			result, err := p.put(ctx, servers[w.target], w.load, r.options.length)
			if err != nil {
				return fmt.Errorf("%v: %w", w, err)
			}
			r.rates[w] = append(r.rates[w], result)
			fmt.Fprintf(p.stderr, "round %d of %d, %v: %.0f MB/s, %.0f/s\n", round+1, r.options.rounds, w,
				result.MegabytesPerSecond, result.OperationsPerSecond)
		}
		slices.Reverse(all)
	}
	return nil
}

// rate returns the median rate of w.
func (r *results) rate(w work, u unit) float64 {
	var rates []float64
	for _, result := range r.rates[w] {
		rate := result.OperationsPerSecond
		if u == megabytes {
			rate = result.MegabytesPerSecond
		}
		rates = append(rates, rate)
	}
	return median(rates)
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

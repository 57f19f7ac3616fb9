package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"example.com/parity/client/internal/terminal"
)

// buildLimit bounds the build of a row: that of Rust takes minutes the first time.
const buildLimit = 30 * time.Minute

// caseLimit bounds a case of any row, in case the row does not do so itself.
const caseLimit = driverLimit + 5*time.Second

// cell is the result of a case with a row.
type cell struct{ err error } // as row.run returns

// column is all results of a row.
type column struct {
	row   string
	build error  // why the row has no results
	cells []cell // one for each case
}

// matrix is the results of all rows.
type matrix struct {
	cases   []testCase
	columns []column
}

// runMatrix builds and runs one row after another, and writes a line about each.
func runMatrix(ctx context.Context, f *fixture, rows []row, cases []testCase, progress io.Writer) (*matrix, error) {
	m := &matrix{cases: cases}
	for i, r := range rows {
		col := column{row: r.name()}
		if col.build = buildRow(ctx, r, f); col.build != nil {
			fmt.Fprintf(progress, "%s: not built: %s\n", r.name(), terminal.Error(col.build))
		} else {
			col.cells = runRow(ctx, r, cases, f.place(i+1, r.name()), progress)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		m.columns = append(m.columns, col)
	}
	return m, nil
}

func buildRow(ctx context.Context, r row, f *fixture) error {
	ctx, cancel := context.WithTimeoutCause(ctx, buildLimit, fmt.Errorf("not done after %v", buildLimit))
	defer cancel()
	return r.build(ctx, f)
}

// runRow runs the cases of a row.
func runRow(ctx context.Context, r row, cases []testCase, at place, progress io.Writer) []cell {
	start := time.Now()
	var cells []cell
	var passed, failed, absences int
	for _, c := range cases {
		if ctx.Err() != nil {
			break
		}
		err := runCase(ctx, r, c, at)
		if _, ok := isAbsent(err); ok {
			absences++
		} else if err != nil {
			failed++
			fmt.Fprintf(progress, "%s %s: FAIL: %s\n", r.name(), c.name, terminal.Error(err))
		} else {
			passed++
		}
		cells = append(cells, cell{err})
	}
	fmt.Fprintf(progress, "%s: %d ok, %d FAIL, %d -, %.1f s\n", r.name(), passed, failed, absences, time.Since(start).Seconds())
	return cells
}

func runCase(ctx context.Context, r row, c testCase, at place) error {
	ctx, cancel := context.WithTimeoutCause(ctx, caseLimit, fmt.Errorf("not done after %v", caseLimit))
	defer cancel()
	return r.run(ctx, c, at)
}

// failed reports whether any cell failed or any row was not built.
func (m *matrix) failed() bool {
	for _, col := range m.columns {
		if col.build != nil {
			return true
		}
		for _, cell := range col.cells {
			if _, ok := isAbsent(cell.err); cell.err != nil && !ok {
				return true
			}
		}
	}
	return false
}

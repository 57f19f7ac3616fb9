package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// benchLimit bounds a measurement: the file is fetched for 3 s after a warm-up.
const benchLimit = 60 * time.Second

// measure measures the downloads of each row, one after another, counts its lines of
// code, and prints both.
func (m *matrix) measure(ctx context.Context, f *fixture, rows []row, w io.Writer, markdown bool) error {
	t := table{{"client", "MB/s", "lines of code", "of its driver"}}
	var notes []string
	for i, r := range rows {
		speed := "FAIL"
		if m.columns[i].build == nil {
			var err error
			if speed, notes, err = measureRow(ctx, r, f.place(i+1, r.name()), notes); err != nil {
				return err
			}
		}
		client, driver, err := linesOf(ctx, f.root, r.name())
		if err != nil {
			return err
		}
		t = append(t, []string{r.name(), speed, client, driver})
	}
	t.write(w, markdown)
	writeNotes(w, notes, markdown)
	return nil
}

// measureRow returns what is printed for the speed of a row.
func measureRow(ctx context.Context, r row, at place, notes []string) (string, []string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, benchLimit, fmt.Errorf("not done after %v", benchLimit))
	defer cancel()
	speed, err := r.bench(ctx, at)
	if _, ok := isAbsent(err); ok {
		text, notes := cell{err}.text(notes)
		return text, notes, nil
	}
	if err != nil {
		return "", notes, fmt.Errorf("measuring %s: %w", r.name(), err)
	}
	return fmt.Sprintf("%.0f", speed), notes, nil
}

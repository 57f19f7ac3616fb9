package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStepsAreBounded: a step that hangs is abandoned, and the next steps run.
func TestStepsAreBounded(t *testing.T) {
	const drain = 10 * time.Second
	errFailed := errors.New("failed")
	for name, tt := range map[string]struct {
		least time.Duration
		f     func(ctx context.Context, hang <-chan struct{}) error
		took  time.Duration
		want  string
	}{
		"done":       {0, func(context.Context, <-chan struct{}) error { return nil }, 0, ""},
		"fails":      {0, func(context.Context, <-chan struct{}) error { return errFailed }, 0, "failed"},
		"is told":    {0, func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return nil }, drain, ""},
		"takes less": {time.Second, func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return nil }, drain, ""},
		"takes more": {drain + 5*time.Second, func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return nil }, drain + 5*time.Second, ""},
		"hangs":      {0, func(_ context.Context, hang <-chan struct{}) error { <-hang; return nil }, drain + cutGrace, "the step: hangs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				defer close(hang)
				var e shutdown
				began := time.Now()
				err := e.run(drain, func() error {
					return e.give("the step", tt.least, func(ctx context.Context) error { return tt.f(ctx, hang) })
				})
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("run = %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// TestEndIsBounded: the program ends even if a step without a bound of its own hangs. The
// error names the step.
func TestEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		var e shutdown
		began := time.Now()
		err := e.run(time.Second, func() error {
			e.at("the impossible")
			<-hang
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "the impossible") || time.Since(began) != time.Second+exitGrace {
			t.Errorf("run = %v after %v, want an error that names the step after %v", err, time.Since(began), time.Second+exitGrace)
		}
	})
}

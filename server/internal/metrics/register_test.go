package metrics

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/parity/server/internal/register"
)

// listing is a store of which only List is called.
type listing struct {
	register.Store
	list func(ctx context.Context, after int32, limit int) ([]register.Client, error)
}

func (l listing) List(ctx context.Context, after int32, limit int) ([]register.Client, error) {
	return l.list(ctx, after, limit)
}

// TestRegisterCollector counts over more than one page, and leaves the metric out
// where the register cannot be read to its end.
func TestRegisterCollector(t *testing.T) {
	full := register.NewMemory()
	for id := range int32(2*registerPage + 1) {
		if _, _, err := full.Register(t.Context(), id, register.Legacy, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		list func(ctx context.Context, after int32, limit int) ([]register.Client, error)
		want float64 // clients of the legacy door; -1: no metric
	}{
		{"all", full.List, 2*registerPage + 1},
		{"no second page", func(ctx context.Context, after int32, limit int) ([]register.Client, error) {
			if after >= 0 {
				return nil, register.ErrUnavailable
			}
			return full.List(ctx, after, limit)
		}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			registry.MustRegister(NewRegister(listing{list: tt.list}))
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if tt.want < 0 {
				if len(families) != 0 {
					t.Errorf("Gather = %v, want nothing", families)
				}
				return
			}
			if len(families) != 1 || len(families[0].GetMetric()) != len(register.Doors)*len(seenWithin) {
				t.Fatalf("Gather = %v, want one metric for each door and time", families)
			}
			for _, m := range families[0].GetMetric() {
				want := 0.0
				if m.GetLabel()[0].GetValue() == "legacy" {
					want = tt.want
				}
				if got := m.GetGauge().GetValue(); got != want {
					t.Errorf("%v, want %v", m, want)
				}
			}
		})
	}
}

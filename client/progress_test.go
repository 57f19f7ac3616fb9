package main

import (
	"testing"
	"time"
)

// TestMeter: the rate is that of this run, of late, and the estimate follows from it.
func TestMeter(t *testing.T) {
	const mib = 1 << 20
	now := time.Unix(1000, 0)
	var m meter
	m.set(now, 900*mib, 1000*mib) // an earlier run has left 900
	if got := m.text(now); got != "900 MiB of 1000 MiB" {
		t.Errorf("at first: %q", got)
	}
	for range 8 {
		now = now.Add(time.Second)
		m.set(now, m.done+5*mib, 1000*mib)
		m.measure(now)
	}
	if got, want := m.text(now), "940 MiB of 1000 MiB  5.0 MiB/s  ETA 12s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	now = now.Add(time.Minute) // nothing comes
	if m.measure(now); m.rate > mib/1000 {
		t.Errorf("after a minute without data the rate is %v", m.rate)
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"f":                                     "f",
		"123456789012345678901234567890":        "123456789012345678901234567890",
		"photos/123456789012345678901234567890": "…23456789012345678901234567890",
		"esc\x1b[2J":                            `esc\x1b[2J`,
	} {
		if got := shortName(name); got != want {
			t.Errorf("shortName(%q) = %q, want %q", name, got, want)
		}
	}
}

package numbers

import (
	"testing"
	"time"
)

// TestRate simulates clients of several speeds.
func TestRate(t *testing.T) {
	const rate = 10
	for _, tt := range []struct {
		name    string
		reports int
		every   time.Duration // the client's own interval between reports
		want    time.Duration // total wait
	}{
		{"the burst only", rate, 0, 0},
		{"at once", 5 * rate, 0, 4 * time.Second},
		{"twice the rate", 5 * rate, time.Second / rate / 2, 3 * time.Second}, // 20 reports use up the burst
		{"exactly the rate", 100 * rate, time.Second / rate, 0},
		{"the original client", 10_000, 500 * time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, now, waited := newRateLimiter(rate), time.Now(), time.Duration(0)
			for range tt.reports {
				wait := p.report(now)
				waited += wait
				now = now.Add(wait + max(tt.every-wait, 0))
			}
			if waited != tt.want || p.waited != waited {
				t.Errorf("waited %v, counted %v, want %v", waited, p.waited, tt.want)
			}
		})
	}
	unbounded := newRateLimiter(0)
	for range 1_000_000 {
		if wait := unbounded.report(time.Time{}); wait != 0 {
			t.Fatalf("a wait of %v without a limit", wait)
		}
	}
}

// TestRateWaits checks that the waits of a fast client are few and long.
func TestRateWaits(t *testing.T) {
	p, now, waits := newRateLimiter(1000), time.Now(), 0
	for range 11_000 {
		if wait := p.report(now); wait > 0 {
			waits++
			now = now.Add(wait)
		}
	}
	if waits != 100 || p.waited != 10*time.Second {
		t.Errorf("waited %d times, %v in all; want 100 times, 10s", waits, p.waited)
	}
}

// TestRateBurst checks that an idle client may catch up by the burst, and no more.
func TestRateBurst(t *testing.T) {
	p, now := newRateLimiter(10), time.Now()
	for range 3 {
		now = now.Add(time.Hour)
		for i := range 10 {
			if wait := p.report(now); wait != 0 {
				t.Fatalf("report %d after an hour waits %v", i+1, wait)
			}
		}
		if wait := p.report(now); wait != 100*time.Millisecond {
			t.Fatalf("report 11 waits %v, want 100ms", wait)
		}
	}
}

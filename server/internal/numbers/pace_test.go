package numbers

import (
	"testing"
	"time"
)

// TestPace has clients of several manners report, on a clock of the test's.
func TestPace(t *testing.T) {
	const rate = 10
	for _, tt := range []struct {
		name    string
		reports int
		every   time.Duration // the client's time from one report to the next, beside what it has to wait
		want    time.Duration // that it waits in all
	}{
		{"as fast as it can, no more than the burst", rate, 0, 0},
		{"as fast as it can", 5 * rate, 0, 4 * time.Second},
		{"twice too fast", 5 * rate, time.Second / rate / 2, 3 * time.Second}, // 20 reports use up the burst, each one after them waits
		{"exactly as fast as it may", 100 * rate, time.Second / rate, 0},
		{"as the original does", 10_000, 500 * time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, now, waited := newPace(rate), time.Now(), time.Duration(0)
			for range tt.reports {
				wait := p.report(now)
				waited += wait
				now = now.Add(wait + max(tt.every-wait, 0))
			}
			if waited != tt.want || p.waited != waited {
				t.Errorf("waited %v, says %v, want %v", waited, p.waited, tt.want)
			}
		})
	}
	unbounded := newPace(0)
	for range 1_000_000 {
		if wait := unbounded.report(time.Time{}); wait != 0 {
			t.Fatalf("no pace, and a wait of %v", wait)
		}
	}
}

// TestPaceNaps: a fast client is woken now and then, not for each report.
func TestPaceNaps(t *testing.T) {
	p, now, naps := newPace(1000), time.Now(), 0
	for range 11_000 {
		if wait := p.report(now); wait > 0 {
			naps++
			now = now.Add(wait)
		}
	}
	if naps != 100 || p.waited != 10*time.Second {
		t.Errorf("waited %d times, %v in all; want 100 times, 10s", naps, p.waited)
	}
}

// TestPaceCatchesUp: a client that was silent may catch up for a second, not for more.
func TestPaceCatchesUp(t *testing.T) {
	p, now := newPace(10), time.Now()
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

package legacytcp

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/await"
)

// TestValuesBucket takes values as fast as the rate allows.
func TestValuesBucket(t *testing.T) {
	const rate = 10
	synctest.Test(t, func(t *testing.T) {
		var v values
		take := func(want int) {
			t.Helper()
			got := 0
			for v.now = false; v.take(rate); got++ {
			}
			if got != want {
				t.Errorf("took %d values at once, want %d", got, want)
			}
		}
		take(rate)
		take(0)
		time.Sleep(99 * time.Millisecond)
		take(0)
		time.Sleep(time.Millisecond)
		take(1)
		time.Sleep(250 * time.Millisecond)
		take(2)
		if wait := v.wait(rate, time.Now()); wait > 51*time.Millisecond || wait < 50*time.Millisecond {
			t.Errorf("wait = %s, want 50ms", wait)
		}
		time.Sleep(50 * time.Millisecond)
		take(1)
		time.Sleep(time.Hour)
		take(rate)
	})
}

// flood returns a door with a report rate, and the number of values reported there.
func flood(t *testing.T, rate int) (*door, *atomic.Int64) {
	d := newDoor(t, Both, Config{Limits: Limits{ReportRate: rate}})
	var reports atomic.Int64
	d.Numbers.before = func(_ context.Context, req *numbersv1.CountRequest) error {
		if req.GetReport() != nil {
			reports.Add(1)
		}
		return nil
	}
	return d, &reports
}

// TestValuesAreMerged sends values much faster than the rate. The newest one is reported
// before each draw, after a short wait, and at the end.
func TestValuesAreMerged(t *testing.T) {
	const rate, values = 10, 100_000
	d, reports := flood(t, rate)
	began := time.Now()
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	var all bytes.Buffer
	send := func(last int) {
		for i := range values {
			fmt.Fprintf(&all, "%d ", last-values+1+i)
		}
	}
	send(1_000_000)
	all.WriteString("odd ")
	reported := d.Numbers.before
	var drawnAt atomic.Int64
	d.Numbers.before = func(ctx context.Context, req *numbersv1.CountRequest) error {
		if req.GetDraw() != nil {
			drawnAt.Store(d.Numbers.value(7))
		}
		return reported(ctx, req)
	}
	go p.Write(all.Bytes())
	p.receive(t, "79 ")
	if got := drawnAt.Load(); got != 1_000_000 {
		t.Errorf("value at the draw = %d, want 1000000", got)
	}

	p.send(t, strings.Repeat("1 ", 10)+"2000000 ") // in one read
	await.That(t, "the last value of a client that waits is reported", func() bool { return d.Numbers.value(7) == 2_000_000 })

	p.send(t, strings.Repeat("1 ", 10)+"3000000 ")
	p.CloseWrite()
	p.receiveEnd(t, false)
	if got := d.Numbers.value(7); got != 3_000_000 {
		t.Errorf("value at the end = %d, want 3000000", got)
	}
	most := int64(rate*(time.Since(began).Seconds()+1)) + 3
	if got := reports.Load(); got > most || got < 3 {
		t.Errorf("%d values were reported, want 3 to %d", got, most)
	}
	d.Counts.await(t, ReasonClient, 1)
	if merged := int64(d.Counts.merged); merged+reports.Load() != values+22 {
		t.Errorf("%d values reported and %d merged, want %d in all", reports.Load(), merged, values+22)
	}
	if lines := strings.Count(d.Log.String(), "newer values replace older ones"); lines == 0 || lines > int(time.Since(began)/mergedEvery)+2 {
		t.Errorf("%d lines of merged values:\n%s", lines, d.Log)
	}
}

// TestValuesInTime checks that every value within the rate is reported.
func TestValuesInTime(t *testing.T) {
	d, reports := flood(t, 100)
	p := d.dial(t)
	p.send(t, "7 ")
	p.receive(t, "0 ")
	for v := range 100 {
		p.send(t, fmt.Sprintf("%d ", v))
	}
	p.CloseWrite()
	p.receiveEnd(t, false)
	if got := reports.Load(); got != 100 {
		t.Errorf("%d values were reported, want 100", got)
	}
}

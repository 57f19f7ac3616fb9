package filecache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// opFunc is an operation of a test's.
type opFunc func(*job)

func (f opFunc) run(j *job) { f(j) }

// newTestGate returns a gate whose lanes are all one operation wide.
func newTestGate(t *testing.T, places int) *gate {
	t.Helper()
	g := newGate(places)
	g.limit = func(lane) int { return 1 }
	t.Cleanup(g.close)
	return g
}

func file(name string) lane { return lane{readKind, name} }

// TestGateHangs: what hangs holds its place, those who queue are sent away after a
// while, and when it answers everything is as before.
func TestGateHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 2)
		disk := make(chan struct{})
		hang := opFunc(func(*job) { <-disk })
		var callers sync.WaitGroup
		var done, late, refused atomic.Int64
		call := func(in lane) {
			callers.Go(func() {
				begin := time.Now()
				_, err := do(t.Context(), g, in, hang)
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, ErrDisk):
					t.Errorf("error %v, want %v", err, ErrDisk)
				case time.Since(begin) > 0:
					late.Add(1)
				default:
					refused.Add(1)
				}
			})
		}
		for range 10 {
			call(file("a")) // 1 in the hands of the disk
		}
		synctest.Wait()
		if busy, _ := g.stats(); busy != 1 {
			t.Errorf("%d operations on one file", busy)
		}
		call(file("b"))
		call(file("c")) // no place
		synctest.Wait()
		if busy, _ := g.stats(); busy != 2 {
			t.Errorf("%d operations in 2 places", busy)
		}
		if err := g.health(); err != nil {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(hungAfter)
		if err := g.health(); !errors.Is(err, ErrDisk) {
			t.Errorf("health after %s: %v", hungAfter, err)
		}
		call(file("a"))
		call(file("d"))
		synctest.Wait()
		if refused.Load() != 2 {
			t.Errorf("%d callers refused at once, want 2", refused.Load())
		}
		g.sweep()
		synctest.Wait()
		if late.Load() != 10 {
			t.Errorf("%d callers sent away after %s, want 10", late.Load(), queuePatience)
		}
		time.Sleep(patience - queuePatience)
		g.sweep()
		synctest.Wait()
		if late.Load() != 12 {
			t.Errorf("%d callers sent away after %s, want all", late.Load(), patience)
		}
		if busy, _ := g.stats(); busy != 2 {
			t.Errorf("%d operations hold their places, want 2", busy)
		}
		close(disk)
		synctest.Wait()
		for _, name := range []string{"a", "b", "c"} {
			call(file(name))
		}
		callers.Wait()
		time.Sleep(workerIdle)
		g.sweep()
		if len(g.workers) != 0 {
			t.Errorf("%d workers are kept for nothing", len(g.workers))
		}
		if busy, _ := g.stats(); busy != 0 || done.Load() != 3 || g.health() != nil || len(g.lanes) != 0 {
			t.Errorf("in the end %d busy, %d done, health %v, lanes %v", busy, done.Load(), g.health(), g.lanes)
		}
	})
}

// TestGateShares: callers share an operation that has not begun when they come, and
// never one that has.
func TestGateShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 4)
		disk := make(chan struct{})
		var runs atomic.Int64
		stat := opFunc(func(*job) { runs.Add(1); <-disk })
		in := lane{statKind, "f"}
		var first, later sync.WaitGroup
		first.Go(func() { do(t.Context(), g, in, stat) })
		synctest.Wait()
		var ended atomic.Int64
		for range 100 {
			later.Go(func() { do(t.Context(), g, in, stat); ended.Add(1) })
		}
		synctest.Wait()
		disk <- struct{}{}
		first.Wait()
		synctest.Wait()
		if ended.Load() != 0 {
			t.Error("a caller was given what was found out before it came")
		}
		disk <- struct{}{}
		later.Wait()
		if n := runs.Load(); n != 2 {
			t.Errorf("%d operations, want 2", n)
		}
	})
}

// TestGateDetached lets detached operations meet a hanging disk and a caller: only callers
// count as refused, and a caller that leaves does not cancel what runs without it.
func TestGateDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 2)
		disk := make(chan struct{})
		in := lane{kind: lookKind}
		var runs atomic.Int64
		look := opFunc(func(*job) { runs.Add(1); <-disk })
		for range 2 * patience / time.Second {
			g.detach(in, look)
			time.Sleep(time.Second)
			g.sweep()
		}
		if _, refused := g.stats(); refused != 0 {
			t.Errorf("%d callers refused, want none", refused)
		}
		disk <- struct{}{}
		synctest.Wait()

		g.detach(in, look)
		synctest.Wait() // it runs, and the next two share another
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var caller sync.WaitGroup
		caller.Go(func() { do(ctx, g, in, look) })
		synctest.Wait()
		g.detach(in, look)
		caller.Wait()
		before := runs.Load()
		disk <- struct{}{}
		synctest.Wait()
		if n := runs.Load() - before; n != 1 {
			t.Errorf("%d detached operations ran after their caller had left, want 1", n)
		}
		close(disk)
	})
}

// TestGateGivenUp: a caller goes when its time is over, and nothing is done any more
// for one who went before it began.
func TestGateGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 1)
		disk := make(chan struct{})
		var ran sync.Map
		call := func(in lane) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := do(ctx, g, in, opFunc(func(*job) { ran.Store(in, true); <-disk }))
			return err
		}
		lanes := []lane{file("begins"), file("begins"), file("queued"), {statKind, "shared"}, {statKind, "shared"}}
		var callers sync.WaitGroup
		for _, in := range lanes {
			callers.Go(func() {
				if err := call(in); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v: %v", in, err)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		close(disk)
		synctest.Wait()
		for _, in := range lanes[1:] {
			if _, ok := ran.Load(in); ok && in != lanes[0] {
				t.Errorf("%v was done for nobody", in)
			}
		}
		if len(g.lanes) != 0 || g.queue.Len() != 0 {
			t.Errorf("left: %v, %d queued", g.lanes, g.queue.Len())
		}
	})
}

// TestGateClosed: closing sends everybody away and waits for nobody.
func TestGateClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 1)
		disk := make(chan struct{})
		var callers sync.WaitGroup
		for _, name := range []string{"a", "a", "b", "c"} {
			callers.Go(func() {
				if _, err := do(t.Context(), g, file(name), opFunc(func(*job) { <-disk })); !errors.Is(err, errClosed) {
					t.Errorf("%s: %v, want %v", name, err, errClosed)
				}
			})
		}
		synctest.Wait()
		g.close()
		callers.Wait()
		if g.detach(file("d"), opFunc(func(*job) {})) {
			t.Error("an operation after the end")
		}
		close(disk)
	})
}

// TestGateProgress: an operation that gets on is not one that hangs.
func TestGateProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGate(t, 1)
		_, err := do(t.Context(), g, file("f"), opFunc(func(j *job) {
			for range 2 * patience / time.Second {
				time.Sleep(time.Second)
				g.sweep()
				if !j.alive() {
					t.Error("given up")
				}
				if err := g.health(); err != nil {
					t.Error(err)
				}
			}
		}))
		if err != nil {
			t.Error(err)
		}
	})
}

func TestGateChurn(t *testing.T) {
	g := newTestGate(t, 3)
	var busy, most, done atomic.Int64
	op := opFunc(func(*job) {
		n := busy.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(10 * time.Microsecond)
		busy.Add(-1)
		done.Add(1)
	})
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			for j := range 50 {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if j%3 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*10*time.Microsecond)
				}
				in := lane{[]kind{statKind, readKind}[j%2], string(rune('a' + i%7))}
				if _, err := do(ctx, g, in, op); err != nil && j%3 != 0 {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	for b, _ := g.stats(); b > 0; b, _ = g.stats() {
		time.Sleep(time.Millisecond)
	}
	if most.Load() > 3 {
		t.Errorf("%d operations at once in 3 places", most.Load())
	}
	if len(g.lanes) != 0 || g.queue.Len() != 0 {
		t.Errorf("left: %v, %d queued", g.lanes, g.queue.Len())
	}
	t.Logf("%d operations", done.Load())
}

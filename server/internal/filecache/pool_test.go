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

// opFunc is an operation.
type opFunc func(*job)

func (f opFunc) run(j *job) { f(j) }

// newTestPool returns a pool whose lanes run one operation at a time.
func newTestPool(t *testing.T, places int) *pool {
	t.Helper()
	p := newPool(places)
	p.limit = func(lane) int { return 1 }
	t.Cleanup(p.close)
	return p
}

func file(name string) lane { return lane{readKind, name} }

// TestPoolHangs blocks operations. They keep their workers, callers that wait get ErrDisk
// after their timeout, and everything works again when the operations end.
func TestPoolHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 2)
		disk := make(chan struct{})
		hang := opFunc(func(*job) { <-disk })
		var callers sync.WaitGroup
		var done, late, refused atomic.Int64
		call := func(in lane) {
			callers.Go(func() {
				begin := time.Now()
				_, err := do(t.Context(), p, in, hang)
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
			call(file("a")) // one of them runs
		}
		synctest.Wait()
		if busy, _ := p.stats(); busy != 1 {
			t.Errorf("%d operations on one file, want 1", busy)
		}
		call(file("b"))
		call(file("c")) // no worker is left
		synctest.Wait()
		if busy, _ := p.stats(); busy != 2 {
			t.Errorf("%d operations, want 2", busy)
		}
		if err := p.health(); err != nil {
			t.Errorf("health at once: %v", err)
		}
		time.Sleep(hungAfter)
		if err := p.health(); !errors.Is(err, ErrDisk) {
			t.Errorf("health after %s: %v", hungAfter, err)
		}
		call(file("a"))
		call(file("d"))
		synctest.Wait()
		if refused.Load() != 2 {
			t.Errorf("%d callers refused at once, want 2", refused.Load())
		}
		p.expire()
		synctest.Wait()
		if late.Load() != 10 {
			t.Errorf("%d callers timed out after %s, want 10", late.Load(), queueTimeout)
		}
		time.Sleep(opTimeout - queueTimeout)
		p.expire()
		synctest.Wait()
		if late.Load() != 12 {
			t.Errorf("%d callers timed out after %s, want all", late.Load(), opTimeout)
		}
		if busy, _ := p.stats(); busy != 2 {
			t.Errorf("%d operations, want 2 that hang", busy)
		}
		close(disk)
		synctest.Wait()
		for _, name := range []string{"a", "b", "c"} {
			call(file(name))
		}
		callers.Wait()
		time.Sleep(workerIdleTime)
		p.expire()
		if len(p.workers) != 0 {
			t.Errorf("%d idle workers, want none", len(p.workers))
		}
		if busy, _ := p.stats(); busy != 0 || done.Load() != 3 || p.health() != nil || len(p.lanes) != 0 {
			t.Errorf("at the end: %d busy, %d done, health %v, lanes %v", busy, done.Load(), p.health(), p.lanes)
		}
	})
}

// TestPoolShares checks that callers share an operation that has not begun, but never one
// that has.
func TestPoolShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 4)
		disk := make(chan struct{})
		var runs atomic.Int64
		stat := opFunc(func(*job) { runs.Add(1); <-disk })
		in := lane{statKind, "f"}
		var first, later sync.WaitGroup
		first.Go(func() { do(t.Context(), p, in, stat) })
		synctest.Wait()
		var ended atomic.Int64
		for range 100 {
			later.Go(func() { do(t.Context(), p, in, stat); ended.Add(1) })
		}
		synctest.Wait()
		disk <- struct{}{}
		first.Wait()
		synctest.Wait()
		if ended.Load() != 0 {
			t.Error("a caller got a result older than its call")
		}
		disk <- struct{}{}
		later.Wait()
		if n := runs.Load(); n != 2 {
			t.Errorf("%d operations, want 2", n)
		}
	})
}

// TestPoolDetached runs detached operations on a hanging disk, alone and shared with a
// caller. Only callers count as refused, and a caller that leaves does not cancel an
// operation that was also detached.
func TestPoolDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 2)
		disk := make(chan struct{})
		in := lane{kind: refreshKind}
		var runs atomic.Int64
		look := opFunc(func(*job) { runs.Add(1); <-disk })
		for range 2 * opTimeout / time.Second {
			p.detach(in, look)
			time.Sleep(time.Second)
			p.expire()
		}
		if _, refused := p.stats(); refused != 0 {
			t.Errorf("%d callers refused, want none", refused)
		}
		disk <- struct{}{}
		synctest.Wait()

		p.detach(in, look)
		synctest.Wait() // it runs, and the next two share another one
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var caller sync.WaitGroup
		caller.Go(func() { do(ctx, p, in, look) })
		synctest.Wait()
		p.detach(in, look)
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

// TestPoolAbandoned lets callers leave. An operation that has not begun when its last caller
// leaves never runs.
func TestPoolAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 1)
		disk := make(chan struct{})
		var ran sync.Map
		call := func(in lane) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := do(ctx, p, in, opFunc(func(*job) { ran.Store(in, true); <-disk }))
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
				t.Errorf("%v ran without callers", in)
			}
		}
		if len(p.lanes) != 0 || p.queue.Len() != 0 {
			t.Errorf("leftover lanes %v, %d queued", p.lanes, p.queue.Len())
		}
	})
}

// TestPoolClosed closes a pool while operations hang: all callers return.
func TestPoolClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 1)
		disk := make(chan struct{})
		var callers sync.WaitGroup
		for _, name := range []string{"a", "a", "b", "c"} {
			callers.Go(func() {
				if _, err := do(t.Context(), p, file(name), opFunc(func(*job) { <-disk })); !errors.Is(err, errClosed) {
					t.Errorf("%s: %v, want %v", name, err, errClosed)
				}
			})
		}
		synctest.Wait()
		p.close()
		callers.Wait()
		if p.detach(file("d"), opFunc(func(*job) {})) {
			t.Error("an operation started after close")
		}
		close(disk)
	})
}

// TestPoolProgress runs an operation that takes long but makes progress: it does not count
// as hanging.
func TestPoolProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t, 1)
		_, err := do(t.Context(), p, file("f"), opFunc(func(j *job) {
			for range 2 * opTimeout / time.Second {
				time.Sleep(time.Second)
				p.expire()
				if !j.progress() {
					t.Error("timed out")
				}
				if err := p.health(); err != nil {
					t.Error(err)
				}
			}
		}))
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPoolChurn(t *testing.T) {
	p := newTestPool(t, 3)
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
				if _, err := do(ctx, p, in, op); err != nil && j%3 != 0 {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	for b, _ := p.stats(); b > 0; b, _ = p.stats() {
		time.Sleep(time.Millisecond)
	}
	if most.Load() > 3 {
		t.Errorf("%d operations at once, want at most 3", most.Load())
	}
	if len(p.lanes) != 0 || p.queue.Len() != 0 {
		t.Errorf("leftover lanes %v, %d queued", p.lanes, p.queue.Len())
	}
	t.Logf("%d operations", done.Load())
}

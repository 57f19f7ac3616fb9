package register

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// written records what a committer writes, and when.
type written struct {
	begun time.Time
	takes time.Duration // how long writing takes

	mu     sync.Mutex
	err    error // what it ends in
	groups []string
}

func (w *written) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *written) write(ctx context.Context, changes map[int32]*int64) error {
	at := time.Since(w.begun)
	if w.takes > 0 {
		select {
		case <-time.After(w.takes):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.groups = append(w.groups, fmt.Sprintf("%s: %d", at, len(changes)))
	return nil
}

func (w *written) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.groups)
}

func (w *written) committer(failFast bool) *committer[int64] {
	w.begun = time.Now()
	return newCommitter(committing[int64]{write: w.write, failFast: failFast, log: slog.New(slog.DiscardHandler)})
}

func set(c *committer[int64], id int32, v int64) *Commit {
	return c.update(id, func(old *int64) { *old = v })
}

func isDone(c *Commit) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

func wantGroups(t *testing.T, w *written, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if fmt.Sprint(w.groups) != fmt.Sprint(want) {
		t.Errorf("wrote %q, want %q", w.groups, want)
	}
}

func TestGrouping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{}
		c := w.committer(false)
		defer c.close()

		set(c, 1, 1) // alone: at once
		synctest.Wait()
		time.Sleep(time.Millisecond)
		a, b := set(c, 2, 1), set(c, 3, 1) // together, when the last was 10 ms ago
		if a != b {
			t.Error("two changes at the same time are not in one group")
		}
		time.Sleep(2 * time.Millisecond)
		set(c, 2, 2)
		time.Sleep(groupAge)
		synctest.Wait()
		wantGroups(t, w, "0s: 1", "10ms: 2")

		time.Sleep(time.Second)
		set(c, 4, 1)
		synctest.Wait()
		for id := range int32(groupRecords) { // full: does not wait
			set(c, id, 1)
		}
		synctest.Wait()
		wantGroups(t, w, "0s: 1", "10ms: 2", "1.013s: 1", "1.013s: 4096")
	})
}

func TestGroupsGatherWhileOneIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{takes: 50 * time.Millisecond}
		c := w.committer(false)
		defer c.close()
		first := set(c, 1, 1)
		synctest.Wait()
		second := set(c, 1, 2)
		time.Sleep(49 * time.Millisecond)
		set(c, 2, 1)
		if isDone(first) {
			t.Error("done before it is written")
		}
		time.Sleep(2 * time.Millisecond)
		if !isDone(first) || isDone(second) {
			t.Errorf("first and second group done: %v and %v, want true and false", isDone(first), isDone(second))
		}
		time.Sleep(time.Second)
		wantGroups(t, w, "0s: 1", "50ms: 2")
	})
}

func TestFailedGroupIsWrittenLater(t *testing.T) {
	for _, failFast := range []bool{true, false} {
		t.Run(fmt.Sprintf("failFast=%v", failFast), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &written{err: errors.New("disk full"), takes: time.Millisecond}
				c := w.committer(failFast)
				defer c.close()
				first := set(c, 1, 1)
				synctest.Wait()
				second := set(c, 2, 1)
				time.Sleep(2 * time.Millisecond)
				for _, commit := range []*Commit{first, second} {
					if isDone(commit) != failFast {
						t.Errorf("done after a failed attempt: %v, want %v", isDone(commit), failFast)
					} else if failFast && !errors.Is(commit.Err(), ErrUnavailable) {
						t.Errorf("Err() = %v, want %v", commit.Err(), ErrUnavailable)
					}
				}
				third := set(c, 2, 2)
				if c.health() != nil {
					t.Errorf("not healthy at once: %v", c.health())
				}
				time.Sleep(healthGrace)
				if err := c.health(); !errors.Is(err, ErrUnavailable) {
					t.Errorf("health() = %v, want %v", err, ErrUnavailable)
				}
				w.fail(nil)
				time.Sleep(retryDelay + groupAge)
				synctest.Wait()
				fourth := set(c, 3, 1)
				time.Sleep(groupAge)
				if !isDone(third) || !isDone(fourth) || fourth.Err() != nil {
					t.Error("not written when writing works again")
				}
				if w.count() != 3 {
					t.Errorf("wrote %d groups, want both that failed and a new one", w.count())
				}
				if c.health() != nil {
					t.Errorf("health() = %v when writing works again", c.health())
				}
			})
		})
	}
}

// TestHolding checks which changes are held back. A change is a number, and holding it back
// makes the number negative.
func TestHolding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{takes: time.Millisecond}
		var held []int64
		c := newCommitter(committing[int64]{
			write: func(ctx context.Context, changes map[int32]*int64) error {
				err := w.write(ctx, changes)
				for _, n := range changes {
					if err == nil && *n < 0 {
						held = append(held, -*n)
					}
				}
				return err
			},
			hold: func(n *int64) { *n = -max(*n, -*n) },
			log:  slog.New(slog.DiscardHandler),
		})
		defer c.close()
		want := func(what string, want ...int64) {
			t.Helper()
			slices.Sort(held)
			if !slices.Equal(held, want) {
				t.Errorf("%s: %d were held back, want %d", what, held, want)
			}
			held = nil
		}
		pause := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}

		set(c, 1, 1)
		pause(time.Second)
		set(c, 1, 2)
		set(c, 2, 3)
		pause(time.Second)
		want("all well")

		w.fail(errors.New("redis is away"))
		set(c, 1, 4)
		synctest.Wait()
		set(c, 2, 5) // while the attempt is made that fails
		pause(2 * time.Millisecond)
		set(c, 3, 6) // after it
		w.fail(nil)
		set(c, 1, 7) // before the next
		pause(time.Second)
		set(c, 1, 8)
		pause(time.Second)
		want("after a failure", 4, 5, 6, 7)

		w.takes = freshFor + time.Second
		set(c, 1, 9)
		synctest.Wait()
		set(c, 1, 10)
		pause(2 * time.Second)
		set(c, 2, 11)
		pause(10 * time.Second)
		want("after a long attempt", 10, 11) // one group
	})
}

// TestChecking checks that there are attempts even if there is nothing to write.
func TestChecking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{err: errors.New("gone"), begun: time.Now()}
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		c := newCommitter(committing[int64]{write: w.write, failFast: true, check: ticker.C, log: slog.New(slog.DiscardHandler)})
		defer c.close()
		time.Sleep(time.Second + healthGrace)
		synctest.Wait()
		if err := c.health(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("health() = %v, want %v", err, ErrUnavailable)
		}
		w.fail(nil)
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if err := c.health(); err != nil {
			t.Errorf("health() = %v", err)
		}
		isDurable(t, set(c, 1, 1))
		wantGroups(t, w, "6.25s: 0", "6.25s: 0", "7s: 0", "8s: 0", "8.5s: 1")
	})
}

func TestHealthOfHangingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{takes: time.Hour}
		c := w.committer(false)
		defer c.close()
		set(c, 1, 1)
		time.Sleep(healthGrace + time.Second)
		if err := c.health(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("health() = %v, want %v", err, ErrUnavailable)
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{err: errors.New("redis is away"), takes: time.Millisecond}
		c := w.committer(false)
		first := set(c, 1, 1)
		synctest.Wait()
		second := set(c, 2, 1)
		began := time.Now()
		err := c.close()
		if took := time.Since(began); took < closeWait || took > closeWait+time.Second {
			t.Errorf("close took %s, want %s", took, closeWait)
		}
		if err == nil || c.lost != 2 {
			t.Errorf("close() = %v with %d clients lost, want an error and 2", err, c.lost)
		}
		for _, commit := range []*Commit{first, second} {
			if !isDone(commit) || !errors.Is(commit.Err(), ErrUnavailable) {
				t.Errorf("a commit that was given up: done %v", isDone(commit))
			}
		}
	})
}

func TestCloseWritesWhatIsOutstanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{err: errors.New("redis is away")}
		c := w.committer(false)
		commit := set(c, 1, 1)
		time.AfterFunc(closeWait/2, func() { w.fail(nil) })
		if err := c.close(); err != nil || !isDone(commit) || commit.Err() != nil {
			t.Errorf("close() = %v", err)
		}
	})
}

func TestRegisterDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := newCommit().wait(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("wait() = %v, want %v", err, ErrUnavailable)
		}
		if time.Since(began) != registerWait {
			t.Errorf("waited for %s, want %s", time.Since(began), registerWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newCommit().wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("wait() = %v, want %v", err, context.Canceled)
		}
	})
}

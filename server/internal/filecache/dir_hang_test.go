package filecache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// hang blocks all file system operations until wake is called.
func hang(t *testing.T, c *Cache) (wake func()) {
	t.Helper()
	awake := make(chan struct{})
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.beforeOp = func(lane) { <-awake }
	wake = sync.OnceFunc(func() { close(awake) })
	t.Cleanup(wake)
	return wake
}

// TestDiskHangs blocks the disk. Calls end with their context, and cached files are served
// if the kernel can stat them without the disk. When the disk responds again, everything
// works as before.
func TestDiskHangs(t *testing.T) {
	c, dir := newCache(t, 1<<20)
	for i := range 3 * maxWorkers {
		write(t, dir, fmt.Sprint(i), []byte("cold"))
	}
	write(t, dir, "cached", []byte("cached"))
	if _, _, err := read(t.Context(), c, "cached", 100); err != nil {
		t.Fatal(err)
	}
	wake := hang(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var callers sync.WaitGroup
	for i := range 3 * maxWorkers {
		callers.Go(func() {
			if _, _, err := read(ctx, c, fmt.Sprint(i), 100); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Open of file %d: %v", i, err)
			}
		})
		callers.Go(func() {
			if _, _, err := c.Walk(ctx, "", "", 10, all); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Walk: %v", err)
			}
		})
	}
	callers.Wait()
	if n := c.Stats().Busy; n > maxWorkers {
		t.Errorf("%d operations at once, want at most %d", n, maxWorkers)
	}
	if _, ok := c.dir.current.Load().fast.stat("cached"); ok {
		if got, _, err := read(t.Context(), c, "cached", 100); err != nil || string(got) != "cached" {
			t.Errorf("cached: %q, %v", got, err)
		}
	}
	wake()
	for i := range 3 * maxWorkers {
		if got, _, err := read(t.Context(), c, fmt.Sprint(i), 100); err != nil || string(got) != "cold" {
			t.Errorf("when the disk responds again: %q, %v", got, err)
		}
	}
}

// TestCloseWithDiskHanging closes the cache while the disk hangs: Close returns, and so do
// the callers.
func TestCloseWithDiskHanging(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "f", []byte("content"))
	c, err := Open(dir, Options{Capacity: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	hang(t, c)
	ended := make(chan error)
	go func() {
		_, _, err := read(context.Background(), c, "f", 100)
		ended <- err
	}()
	for c.Stats().Busy == 0 {
		time.Sleep(time.Millisecond)
	}
	c.Close()
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("the waiting caller got %v, want %v", err, errClosed)
	}
	if _, err := c.Open(t.Context(), "f"); !errors.Is(err, errClosed) {
		t.Errorf("Open after Close: %v, want %v", err, errClosed)
	}
}

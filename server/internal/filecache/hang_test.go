package filecache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// hang lets no operation of a file system begin until wake is called.
func hang(t *testing.T, c *Cache) (wake func()) {
	t.Helper()
	awake := make(chan struct{})
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.gate.before = func(lane) { <-awake }
	wake = sync.OnceFunc(func() { close(awake) })
	t.Cleanup(wake)
	return wake
}

// TestDiskHangs: nobody waits for longer than they want to, what is cached is served
// where the kernel can tell that it is fresh, and all is well when the disk is.
func TestDiskHangs(t *testing.T) {
	c, dir := newCache(t, 1<<20)
	for i := range 3 * maxPlaces {
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
	for i := range 3 * maxPlaces {
		callers.Go(func() {
			if _, _, err := read(ctx, c, fmt.Sprint(i), 100); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Open of file %d: %v", i, err)
			}
		})
		callers.Go(func() {
			if _, _, err := c.Walk(ctx, "", 10, all); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Walk: %v", err)
			}
		})
	}
	callers.Wait()
	if n := c.Stats().Busy; n > maxPlaces {
		t.Errorf("%d operations at once, want at most %d", n, maxPlaces)
	}
	if _, ok := c.dir.current.Load().glance.stat("cached"); ok {
		if got, _, err := read(t.Context(), c, "cached", 100); err != nil || string(got) != "cached" {
			t.Errorf("what is cached: %q, %v", got, err)
		}
	}
	wake()
	for i := range 3 * maxPlaces {
		if got, _, err := read(t.Context(), c, fmt.Sprint(i), 100); err != nil || string(got) != "cold" {
			t.Errorf("when the disk is back: %q, %v", got, err)
		}
	}
}

// TestCloseWithDiskHanging: Close does not wait for the disk, and those who wait are
// sent away.
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
		t.Errorf("who waited was told %v, want %v", err, errClosed)
	}
	if _, err := c.Open(t.Context(), "f"); !errors.Is(err, errClosed) {
		t.Errorf("Open when closed: %v, want %v", err, errClosed)
	}
}

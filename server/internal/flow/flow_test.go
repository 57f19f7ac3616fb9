package flow

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// TestAccountIsShared lets holders take all they can get, one after the other: each gets
// something, and none gets the last of it.
func TestAccountIsShared(t *testing.T) {
	const limit = 1 << 20
	a := NewAccount(limit)
	var got []int64
	for range 20 {
		got = append(got, a.Take(0, limit))
	}
	if got[0] != limit/5 {
		t.Errorf("the first got %d of %d", got[0], limit)
	}
	for i, n := range got {
		if n <= 0 || i > 0 && n >= got[i-1] {
			t.Errorf("holder %d got %d", i, n)
		}
	}
	if n := a.Take(got[0], limit); n != 0 {
		t.Errorf("the first got %d more", n)
	}
	for _, n := range got {
		a.Release(n)
	}
	if a.Held() != 0 {
		t.Errorf("%d held in the end", a.Held())
	}
}

// TestAccountIsABound takes and releases concurrently.
func TestAccountIsABound(t *testing.T) {
	a := NewAccount(100_000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 10_000 {
				n := a.Take(0, 70_000)
				if held := a.Held(); held > 100_000 {
					t.Errorf("%d held", held)
				}
				a.Release(n)
			}
		})
	}
	group.Wait()
	if a.Held() != 0 {
		t.Errorf("%d held in the end", a.Held())
	}
}

// TestLocal reserves chunk by chunk, with room in the account and without.
func TestLocal(t *testing.T) {
	a := NewAccount(1 << 20)
	w := a.Local()
	if n, err := w.Reserve(t.Context(), 100); n != 100 || err != nil || a.Held() != 0 {
		t.Errorf("Reserve(100) = %d, %v, with %d charged", n, err, a.Held())
	}
	for range 3 { // each Reserve means that the bytes before have been sent
		if n, err := w.Reserve(t.Context(), 100_000); n != 100_000 || err != nil || a.Held() != 100_000-localAllowance {
			t.Errorf("Reserve(100,000) = %d, %v, with %d charged", n, err, a.Held())
		}
	}
	w.Return(10_000)
	if held := a.Held(); held != 90_000-localAllowance {
		t.Errorf("%d charged after 10,000 were returned", held)
	}
	w.Close()
	w.Close()
	if a.Held() != 0 {
		t.Errorf("%d charged after Close", a.Held())
	}
	a.Charge(1 << 20)
	if n, err := w.Reserve(t.Context(), 100_000); n != localAllowance || err != nil {
		t.Errorf("with the account empty Reserve = %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Reserve(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Reserve after the end of the call: %v", err)
	}
}

func TestContext(t *testing.T) {
	a := NewAccount(1)
	if w := FromContext(t.Context()); w != nil {
		t.Errorf("FromContext of a call without a window = %v", w)
	}
	if _, own := a.Window(t.Context()).(*local); !own {
		t.Error("a call without a window does not get a local one")
	}
	w := a.Local()
	if got := a.Window(NewContext(t.Context(), w)); got != w {
		t.Errorf("Window = %v, want the call's own", got)
	}
}

func TestHalfDuplex(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	if IsHalfDuplex(parent) {
		t.Error("an ordinary context is half-duplex")
	}
	ctx := context.WithValue(&HalfDuplexContext{parent}, contextKey{}, nil) // as interceptors wrap it
	if !IsHalfDuplex(ctx) || ctx.Value(key{}) != "value" {
		t.Errorf("half-duplex %v, value %v", IsHalfDuplex(ctx), ctx.Value(key{}))
	}
	if cancel(); !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("Err = %v after its parent's end", ctx.Err())
	}
}

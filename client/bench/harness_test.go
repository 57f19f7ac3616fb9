package bench

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"example.com/parity/client/internal/fakeserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// moment is how long a load works that is to do nothing in particular.
	moment = 50 * time.Millisecond
	// forEver is how long one may work that is ended when it has done enough.
	forEver = time.Minute
)

// runFor runs a load for a time, and fails the test if it cannot run.
func runFor(tb testing.TB, d time.Duration, clients int, load Load) *Result {
	tb.Helper()
	r, err := Run(tb.Context(), load, Options{Clients: clients, For: d})
	if err != nil {
		tb.Fatalf("Run = %v", err)
	}
	return r
}

// runUntil runs a load until its clients together have done enough.
func runUntil(tb testing.TB, operations, errors int64, clients int, load Load) *Result {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	w := &watched{Load: load}
	polling := make(chan struct{})
	go func() {
		defer close(polling)
		for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if ops, errs := w.done(); ops >= operations && errs >= errors {
				cancel()
			}
		}
	}()
	r, err := Run(ctx, w, Options{Clients: clients, For: forEver})
	cancel()
	<-polling
	if err != nil {
		tb.Fatalf("Run = %v", err)
	}
	if r.Seconds >= forEver.Seconds() {
		tb.Errorf("%d operations and %d errors in %v, want %d and %d", r.Operations, r.Errors, forEver, operations, errors)
	}
	return r
}

// watched is a load whose clients' tallies the test reads while they work.
type watched struct {
	Load
	mu      sync.Mutex
	tallies []*tally
}

func (w *watched) connect(ctx context.Context, i int, t *tally) (client, error) {
	w.mu.Lock()
	w.tallies = append(w.tallies, t)
	w.mu.Unlock()
	return w.Load.connect(ctx, i, t)
}

func (w *watched) done() (operations, errors int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tallies {
		operations += t.operations.Load()
		errors, _ = t.errors.get() // of all clients
	}
	return operations, errors
}

// wantClean checks that there were operations and no errors.
func wantClean(tb testing.TB, r *Result) {
	tb.Helper()
	if r.Operations == 0 || r.Errors != 0 {
		tb.Errorf("%d operations and %d errors %q, want some and none", r.Operations, r.Errors, r.Examples)
	}
}

// wantError checks that errors were counted, and that one of the examples has a text.
func wantError(tb testing.TB, r *Result, says string) {
	tb.Helper()
	if r.Errors == 0 || !strings.Contains(strings.Join(r.Examples, "\n"), says) {
		tb.Errorf("%d errors %q, want some that say %q", r.Errors, r.Examples, says)
	}
}

// dialN returns n connections to addr.
func dialN(tb testing.TB, addr string, n int) []grpc.ClientConnInterface {
	tb.Helper()
	conns := make([]grpc.ClientConnInterface, n)
	for i := range conns {
		conns[i] = fakeserver.Dial(tb, addr)
	}
	return conns
}

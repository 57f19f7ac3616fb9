package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pause is how long a client waits after an error, so that it does not flood a server
// that is down.
const pause = 100 * time.Millisecond

var errStalled = fmt.Errorf("nothing came for %v", patience)

// tally counts the operations of one client.
type tally struct {
	operations, bytes atomic.Int64 // also read while the client works
	latency           *latency
	errors            *errorLog
	last              time.Time // when something arrived last
}

// takes returns a function to call with each piece of a file that arrives. It waits as
// the rate requires. Pieces that come from buffers after ctx is done do not count.
func (t *tally) takes(ctx context.Context, rate int64) func(n int) {
	speed := newPace(rate)
	return func(n int) {
		speed.keep(ctx, n)
		if ctx.Err() == nil {
			t.bytes.Add(int64(n))
			t.last = time.Now()
		}
	}
}

// done counts a successful operation.
func (t *tally) done(d time.Duration) {
	t.operations.Add(1)
	t.latency.record(d)
}

// repeat runs one operation after another until ctx is done. The operation that ends
// after that counts neither as done nor as an error, but its bytes until then count.
func (t *tally) repeat(ctx context.Context, operation func(context.Context) error) {
	t.last = time.Now()
	for ctx.Err() == nil {
		began := time.Now()
		err := operation(ctx)
		now := time.Now()
		switch {
		case err == nil && ctx.Err() == nil:
			t.done(now.Sub(began))
			t.last = now
		case err == nil: // too late: some of its bytes may not have counted
		case ctx.Err() == nil:
			t.errors.add(err)
			t.last = now
			sleep(ctx, pause)
		case !isCutOff(err):
			t.errors.add(err)
		case now.Sub(t.last) > patience:
			t.errors.add(errStalled)
		}
	}
}

// isCutOff reports whether err is that of an operation whose context is done or whose
// connection's deadline has passed.
func isCutOff(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) || status.Code(err) == codes.Canceled
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

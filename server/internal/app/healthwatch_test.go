package app

import (
	"context"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// watcher is the stream of a watch. It collects the states that are sent.
type watcher struct {
	grpc_health_v1.Health_WatchServer
	ctx  context.Context
	sent []grpc_health_v1.HealthCheckResponse_ServingStatus
}

func (w *watcher) Context() context.Context { return w.ctx }

func (w *watcher) Send(resp *grpc_health_v1.HealthCheckResponse) error {
	w.sent = append(w.sent, resp.GetStatus())
	return nil
}

// TestHealthWatch checks that a watch receives changes, and ends with the drain or its
// client. The bubble ends only when no goroutine of the watch is left.
func TestHealthWatch(t *testing.T) {
	for _, byDrain := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			drain := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := &healthServer{Server: health.NewServer(), drain: drain}
			w := &watcher{ctx: ctx}
			ended := make(chan error, 1)
			go func() { ended <- h.Watch(&grpc_health_v1.HealthCheckRequest{}, w) }()
			synctest.Wait()
			h.Shutdown()
			synctest.Wait()
			want := []grpc_health_v1.HealthCheckResponse_ServingStatus{
				grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING,
			}
			if len(w.sent) != 2 || w.sent[0] != want[0] || w.sent[1] != want[1] {
				t.Errorf("the watch received %v, want %v", w.sent, want)
			}
			select {
			case err := <-ended:
				t.Fatalf("the watch ended early with %v", err)
			default:
			}
			if byDrain {
				close(drain)
			} else {
				cancel()
			}
			if err := <-ended; status.Code(err) != codes.Canceled {
				t.Errorf("the watch ended with %v, want %v", err, codes.Canceled)
			}
		})
	}
}

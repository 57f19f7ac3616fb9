//go:build !bare

package app

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/auth"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/metrics"
)

// newInterceptors returns the chain, which all doors share.
func newInterceptors(flags *serveCommand, who *auth.Auth, log *messagelog.Log, registry *prometheus.Registry) interceptors {
	calls := metrics.NewCalls(registry)
	// Inside the log, so that the log sees the error that a panic becomes.
	recovered := recovery.WithRecoveryHandlerContext(func(_ context.Context, p any) error {
		return apierror.Internal(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	})
	return newChain(flags, who, interceptors{
		unary:  []grpc.UnaryServerInterceptor{calls.Unary, log.Unary, recovery.UnaryServerInterceptor(recovered)},
		stream: []grpc.StreamServerInterceptor{calls.Stream, log.Stream, recovery.StreamServerInterceptor(recovered)},
	})
}

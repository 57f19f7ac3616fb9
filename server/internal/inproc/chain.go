package inproc

import (
	"context"

	"google.golang.org/grpc"
)

// chainUnary combines interceptors as grpc.ChainUnaryInterceptor does for a server.
func chainUnary(all []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		for i := len(all) - 1; i >= 0; i-- {
			next := handler
			handler = func(ctx context.Context, req any) (any, error) { return all[i](ctx, req, info, next) }
		}
		return handler(ctx, req)
	}
}

// chainStream combines interceptors as grpc.ChainStreamInterceptor does for a server.
func chainStream(all []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		for i := len(all) - 1; i >= 0; i-- {
			next := handler
			handler = func(srv any, ss grpc.ServerStream) error { return all[i](srv, ss, info, next) }
		}
		return handler(srv, ss)
	}
}

package codec

import (
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// Uncompressed returns an interceptor that sends the responses of these streaming methods
// without compression, where grpc-go would answer a compressed request alike. Compressing
// the bytes of files would take twenty times as long as sending them, and copy them.
func Uncompressed(methods ...string) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if slices.Contains(methods, info.FullMethod) {
			if err := grpc.SetSendCompressor(ss.Context(), encoding.Identity); err != nil {
				return err
			}
		}
		return next(srv, ss)
	}
}

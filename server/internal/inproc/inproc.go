// Package inproc calls the services in this process as generated clients do, and
// without copying a file's bytes.
package inproc

import (
	"fmt"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// NewChannel returns a channel to services that are yet to be registered with it,
// behind the given interceptors, the first outermost.
func NewChannel(unary []grpc.UnaryServerInterceptor, stream []grpc.StreamServerInterceptor) *inprocgrpc.Channel {
	return new(inprocgrpc.Channel).
		WithServerUnaryInterceptor(chainUnary(unary)).
		WithServerStreamInterceptor(chainStream(stream)).
		WithCloner(sharing{})
}

// sharing passes messages on without a deep copy. That is right because neither
// the services nor the gateway touch a message once it is sent, or write to what a
// received one points to.
type sharing struct{}

// Clone implements inprocgrpc.Cloner.
func (sharing) Clone(in any) (any, error) { return in, nil }

// Copy implements inprocgrpc.Cloner. The messages of streams are copied field by
// field; reflection would cost more than the rest of the call.
func (sharing) Copy(out, in any) error {
	switch in := in.(type) {
	case *filesv1.GetResponse:
		if out, ok := out.(*filesv1.GetResponse); ok {
			out.File, out.Data, out.Crc32C = in.File, in.Data, in.Crc32C
			return nil
		}
	case *numbersv1.CountRequest:
		if out, ok := out.(*numbersv1.CountRequest); ok {
			out.Kind = in.Kind
			return nil
		}
	case *numbersv1.CountResponse:
		if out, ok := out.(*numbersv1.CountResponse); ok {
			out.Kind = in.Kind
			return nil
		}
	}
	to, ok := out.(proto.Message)
	from, ok2 := in.(proto.Message)
	if !ok || !ok2 || to.ProtoReflect().Descriptor() != from.ProtoReflect().Descriptor() {
		return fmt.Errorf("copy %T to %T", in, out)
	}
	proto.Reset(to)
	proto.Merge(to, from)
	return nil
}

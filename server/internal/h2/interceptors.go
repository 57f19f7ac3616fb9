package h2

import (
	"context"
	"math"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"example.com/parity/server/internal/flow"
)

// largeReply is the size in bytes above which a unary call reserves for its reply before the
// handler makes it: many larger replies that wait for window could fill the memory.
const largeReply = 4 << 10

// Unary is an interceptor that delays the reply until the peer has window for it. If a
// previous reply of the method was large, it delays the call itself.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s := streamOf(ctx)
	if s == nil {
		return next(ctx, req)
	}
	s.read()
	largest := g.largestOf(info.FullMethod)
	expected := largest.Load()
	if expected > largeReply {
		if err := s.reserveMessage(ctx, expected); err != nil {
			return nil, err
		}
	}
	resp, err := next(ctx, req)
	if err != nil {
		return nil, err // the status ends the stream, which releases what is reserved
	}
	size := g.size(resp)
	if expected > largeReply && size > expected {
		s.releaseNext(math.MaxInt64)
	}
	for seen := largest.Load(); size > seen && !largest.CompareAndSwap(seen, size); seen = largest.Load() {
	}
	return resp, s.admit(ctx, size)
}

// largestOf returns the size of the largest reply of a method so far.
func (g *Guard) largestOf(method string) *atomic.Int64 {
	if size, ok := g.largest.Load(method); ok {
		return size.(*atomic.Int64)
	}
	size, _ := g.largest.LoadOrStore(method, new(atomic.Int64))
	return size.(*atomic.Int64)
}

// Stream is an interceptor that delays messages until the peer has window for them.
func (g *Guard) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s := streamOf(ss.Context())
	if s == nil {
		return next(srv, ss)
	}
	s.sender = sender{ss, s}
	if err := next(srv, &s.sender); err != nil {
		return s.refusal(err)
	}
	return nil
}

// sender is a ServerStream that delays messages and accounts for those that are read.
type sender struct {
	grpc.ServerStream
	s *Stream
}

// SendMsg implements grpc.ServerStream.
func (s *sender) SendMsg(m any) error {
	size := int64(0)
	if s.s.prepared {
		s.s.prepared = false // the handler has reserved for it
	} else {
		size = s.s.c.guard.size(m)
	}
	if err := s.s.admit(s.Context(), size); err != nil {
		return err
	}
	err := s.ServerStream.SendMsg(m)
	if err != nil {
		s.s.dequeueLast()
	}
	return err
}

// RecvMsg implements grpc.ServerStream.
func (s *sender) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.s.read()
	}
	return err
}

// admit waits until a message of size bytes may be passed to grpc-go, which the caller must
// do next.
func (s *Stream) admit(ctx context.Context, size int64) error {
	for !s.enqueue(size) {
		if err := s.reserveMessage(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// reserveMessage waits until there is room for a message of size bytes.
func (s *Stream) reserveMessage(ctx context.Context, size int64) error {
	err := s.reserve(ctx, whole(size))
	if err != nil && ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	return err
}

// streamOf returns the Stream of the call that ctx belongs to, or nil.
func streamOf(ctx context.Context) *Stream {
	s, _ := flow.FromContext(ctx).(*Stream)
	return s
}

// size returns an upper bound for the size of a message on the wire, uncompressed.
func (g *Guard) size(m any) int64 {
	if g.o.AtMost != nil {
		if n := g.o.AtMost(m); n > 0 {
			return prefixLen + n
		}
	}
	if m, ok := m.(proto.Message); ok {
		return prefixLen + int64(proto.Size(m))
	}
	return prefixLen
}

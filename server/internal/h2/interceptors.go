package h2

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"example.com/parity/server/internal/flow"
)

// largeReply is the size from which the reply to a unary call is reserved for before
// it is made: calls that wait with larger ones could fill the memory.
const largeReply = 4 << 10

// Unary is an interceptor that holds the reply back until the peer has window for it.
// Where replies may be large, by those that the method has given so far, the call itself
// waits.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s := streamOf(ctx)
	if s == nil {
		return next(ctx, req)
	}
	largest := g.largestOf(info.FullMethod)
	expected := largest.Load()
	if expected > largeReply {
		if err := s.awaitMessage(ctx, expected); err != nil {
			return nil, err
		}
	}
	resp, err := next(ctx, req)
	if err != nil {
		return nil, err // whose status ends the stream, and what it has reserved
	}
	size := g.size(resp)
	if expected > largeReply && size > expected {
		s.giveBack()
	}
	for seen := largest.Load(); size > seen && !largest.CompareAndSwap(seen, size); seen = largest.Load() {
	}
	return resp, s.handOver(ctx, size)
}

// largestOf returns the size of the largest reply that a method has given.
func (g *Guard) largestOf(method string) *atomic.Int64 {
	if size, ok := g.largest.Load(method); ok {
		return size.(*atomic.Int64)
	}
	size, _ := g.largest.LoadOrStore(method, new(atomic.Int64))
	return size.(*atomic.Int64)
}

// Stream is an interceptor that holds messages back until the peer has window for them.
func (g *Guard) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if s := streamOf(ss.Context()); s != nil {
		s.sender = sender{ss, s}
		ss = &s.sender
	}
	return next(srv, ss)
}

type sender struct {
	grpc.ServerStream
	s *Stream
}

// SendMsg implements grpc.ServerStream.
func (s *sender) SendMsg(m any) error {
	size := int64(0)
	if s.s.unspent {
		s.s.unspent = false // the handler has reserved for it
	} else {
		size = s.s.c.guard.size(m)
	}
	if err := s.s.handOver(s.Context(), size); err != nil {
		return err
	}
	err := s.ServerStream.SendMsg(m)
	if err != nil {
		s.s.takeBack()
	}
	return err
}

// handOver returns when a message of that size may be given to grpc-go, which must be
// done next.
func (s *Stream) handOver(ctx context.Context, size int64) error {
	for !s.hand(size) {
		if err := s.awaitMessage(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// awaitMessage reserves for a message of that size.
func (s *Stream) awaitMessage(ctx context.Context, size int64) error {
	err := s.await(ctx, whole(size))
	if err != nil && ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	return err
}

func streamOf(ctx context.Context) *Stream {
	s, _ := flow.FromContext(ctx).(*Stream)
	return s
}

// size returns how many bytes a message has on the wire, or more.
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

package h2

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"example.com/parity/server/internal/flow"
)

// largeReply is the size from which a unary call's reply is charged for while it waits:
// calls that make larger ones could fill the memory by waiting together.
const largeReply = 4 << 10

// Unary is an interceptor that holds the reply back until the peer has window for it.
func (g *Guard) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	if err != nil {
		return nil, err
	}
	if s := streamOf(ctx); s != nil {
		if err := s.sendReply(ctx, g.size(resp)); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// sendReply returns when a unary call's reply may be handed over.
func (s *Stream) sendReply(ctx context.Context, size int64) error {
	if s.hand(size) {
		return nil
	}
	if size > largeReply {
		s.c.mu.Lock()
		waiting := s.c.allow(size, size)
		s.c.mu.Unlock()
		if waiting == 0 {
			return stalled()
		}
		defer func() {
			s.c.mu.Lock()
			s.c.hold(-waiting)
			s.c.wakeNext()
			s.c.mu.Unlock()
		}()
	}
	return s.awaitMessage(ctx, size)
}

// Stream is an interceptor that holds messages back until the peer has window for them.
func (g *Guard) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if s := streamOf(ss.Context()); s != nil {
		ss = &sender{ss, s, g}
	}
	return next(srv, ss)
}

type sender struct {
	grpc.ServerStream
	s     *Stream
	guard *Guard
}

// SendMsg implements grpc.ServerStream.
func (s *sender) SendMsg(m any) error {
	n := s.guard.size(m)
	if !s.s.hand(n) {
		if err := s.s.awaitMessage(s.Context(), n); err != nil {
			return err
		}
	}
	err := s.ServerStream.SendMsg(m)
	if err != nil {
		s.s.takeBack()
	}
	return err
}

// awaitMessage waits until a message of that size may be handed over.
func (s *Stream) awaitMessage(ctx context.Context, size int64) error {
	if err := s.await(ctx, whole(size)); err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return status.FromContextError(ctxErr).Err()
		}
		return err
	}
	s.hand(size)
	return nil
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

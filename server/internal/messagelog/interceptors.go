package messagelog

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/origin"
)

// ours is how the services of this program are called. Others, such as reflection
// and health, are not in the log.
const ours = "/parity."

// Unary is an interceptor that logs a unary call.
func (l *Log) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return next(ctx, req)
	}
	log := l.forCall(ctx)
	began := time.Now()
	message(ctx, log, req)
	resp, err := next(ctx, req)
	if err == nil {
		message(ctx, log, resp)
	}
	logCall(ctx, log, info.FullMethod, began, err)
	return resp, err
}

// Stream is an interceptor that logs a streaming call.
func (l *Log) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return next(srv, ss)
	}
	s := &stream{ServerStream: ss}
	s.log.Store(l.forCall(ss.Context()))
	began := time.Now()
	err := next(srv, s)
	log := s.log.Load()
	if s.transfer.started {
		log.LogAttrs(ss.Context(), slog.LevelInfo, "GetResponse", s.transfer.attrs(s.name)...)
	}
	logCall(ss.Context(), log, info.FullMethod, began, err)
	return err
}

// forCall returns a logger that says where the call came from.
func (l *Log) forCall(ctx context.Context) *slog.Logger {
	from := origin.FromContext(ctx)
	return l.With("door", from.Door, "peer", clip(from.Peer))
}

func message(ctx context.Context, log *slog.Logger, m any) {
	if name, attrs := describe(m); name != "" {
		log.LogAttrs(ctx, slog.LevelInfo, name, attrs...)
	}
}

func logCall(ctx context.Context, log *slog.Logger, method string, began time.Time, err error) {
	attrs := []slog.Attr{
		slog.String("method", method),
		slog.String("code", status.Code(err).String()),
		slog.Duration("took", time.Since(began)),
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", apierror.Detail(err)))
	}
	log.LogAttrs(ctx, level, "call", attrs...)
}

// stream logs the messages that pass through it.
type stream struct {
	grpc.ServerStream
	log      atomic.Pointer[slog.Logger] // gains the client's ID when it registers
	name     string                      // of the file that is got
	transfer transfer
}

func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		if r, ok := m.GetKind().(*numbersv1.CountRequest_Register); ok {
			s.log.Store(s.log.Load().With("client", r.Register.GetClientId()))
		}
	case *filesv1.GetRequest:
		s.name = m.GetName()
	}
	message(s.Context(), s.log.Load(), m)
	return nil
}

func (s *stream) SendMsg(m any) error {
	if m, ok := m.(*filesv1.GetResponse); ok {
		s.transfer.add(m)
		return s.ServerStream.SendMsg(m)
	}
	message(s.Context(), s.log.Load(), m)
	return s.ServerStream.SendMsg(m)
}

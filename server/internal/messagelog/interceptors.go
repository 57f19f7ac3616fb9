package messagelog

import (
	"context"
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

// ours is the prefix of the methods that are logged. Reflection and health are not.
const ours = "/parity."

// Unary is an interceptor that logs a unary call.
func (l *Log) Unary(ctx context.Context, req any, call *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !strings.HasPrefix(call.FullMethod, ours) {
		return next(ctx, req)
	}
	began := time.Now()
	if origin.FromContext(ctx).Stranger {
		resp, err := next(ctx, req)
		l.stranger(ctx, call.FullMethod, began, err)
		return resp, err
	}
	scope := l.scope(ctx)
	l.message(scope, req)
	resp, err := next(ctx, req)
	if err == nil {
		l.message(scope, resp)
	}
	l.call(scope, call.FullMethod, began, err)
	return resp, err
}

// Stream is an interceptor that logs a streaming call.
func (l *Log) Stream(srv any, ss grpc.ServerStream, call *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !strings.HasPrefix(call.FullMethod, ours) {
		return next(srv, ss)
	}
	began := time.Now()
	if ctx := ss.Context(); origin.FromContext(ctx).Stranger {
		err := next(srv, ss)
		l.stranger(ctx, call.FullMethod, began, err)
		return err
	}
	s := &stream{ServerStream: ss, log: l}
	scope := l.scope(ss.Context())
	s.scope.Store(&scope)
	err := next(srv, s)
	scope = *s.scope.Load()
	if s.transfer.started && !l.callsOnly {
		line := l.newLine()
		line.begin(info, "GetResponse", scope)
		line.transfer(&s.transfer)
		line.write(l.out)
	}
	l.call(scope, call.FullMethod, began, err)
	return err
}

// scope returns the part that all lines of a call share: its origin.
func (l *Log) scope(ctx context.Context) []byte {
	from := origin.FromContext(ctx)
	line := line{format: l.format, b: make([]byte, 0, 64)}
	line.word("door", from.Door.String())
	line.text("peer", from.Peer)
	if from.Caller != "" {
		line.text("caller", from.Caller)
	}
	return line.b
}

// message writes the line of a message, if it has one.
func (l *Log) message(scope []byte, m any) {
	if l.callsOnly {
		return
	}
	line := l.newLine()
	if !line.message(scope, m) {
		line.free()
		return
	}
	line.write(l.out)
}

// call writes the line of a call at its end.
func (l *Log) call(scope []byte, method string, began time.Time, err error) {
	level := info
	if err != nil {
		level = warn
	}
	line := l.newLine()
	line.begin(level, "call", scope)
	line.word("method", method)
	line.word("code", status.Code(err).String())
	line.word("took", time.Since(began).String())
	if err != nil {
		line.text("error", apierror.Detail(err))
	}
	line.write(l.out)
}

// stranger writes the line of a call of somebody who could not prove who it is, or counts
// it. Its messages have no lines.
func (l *Log) stranger(ctx context.Context, method string, began time.Time, err error) {
	if l.strangers.ownLine(status.Code(err)) {
		l.call(l.scope(ctx), method, began, err)
	}
}

// stream logs the messages of a stream.
type stream struct {
	grpc.ServerStream
	log      *Log
	scope    atomic.Pointer[[]byte] // has the client's ID after Register
	transfer transfer
}

func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	switch m := m.(type) {
	case *numbersv1.CountRequest:
		if r, ok := m.GetKind().(*numbersv1.CountRequest_Registration); ok {
			s.register(r.Registration.GetClientId())
		}
	case *filesv1.GetRequest:
		s.transfer.name = m.GetName()
	}
	s.log.message(*s.scope.Load(), m)
	return nil
}

// register adds the client's ID to the scope.
func (s *stream) register(id int32) {
	old := *s.scope.Load()
	line := line{format: s.log.format, b: append(make([]byte, 0, len(old)+16), old...)}
	line.int("client", int64(id))
	s.scope.Store(&line.b)
}

func (s *stream) SendMsg(m any) error {
	if piece, ok := m.(*filesv1.GetResponse); ok {
		s.transfer.add(piece)
	} else {
		s.log.message(*s.scope.Load(), m)
	}
	return s.ServerStream.SendMsg(m)
}

// Package inproctest runs handlers under a checker of the rules that package inproc states
// for them.
package inproctest

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/parity/server/internal/inproc"
)

// NewChannel returns a channel that ends with the test. The test fails if a streaming
// handler breaks a rule.
func NewChannel(tb testing.TB, unary []grpc.UnaryServerInterceptor, stream []grpc.StreamServerInterceptor) *inproc.Channel {
	tb.Helper()
	c := inproc.NewChannel(unary, append(stream[:len(stream):len(stream)], Check(tb)))
	tb.Cleanup(c.Close)
	return c
}

// TB is the part of testing.TB that receives violations.
type TB interface {
	Errorf(format string, args ...any)
}

// Check returns an interceptor that fails the test for each use of the stream from another
// goroutine or after the handler's return, and for each change to a message that both sides
// share. A forbidden use returns an error and does not reach the stream.
func Check(tb TB) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		s := &stream{ServerStream: ss, method: info.FullMethod, tb: tb, goroutine: goroutineID()}
		defer func() {
			s.returned.Store(true)
			s.compare()
		}()
		return next(srv, s)
	}
}

// maxKept is how many shared messages are compared with what they were.
const maxKept = 4

type stream struct {
	grpc.ServerStream
	method    string
	tb        TB
	goroutine uint64 // the handler's
	returned  atomic.Bool

	mu   sync.Mutex
	kept []kept
}

// kept is a message that both sides share, and a copy of what it was.
type kept struct {
	what         string
	shared, want proto.Message
}

// SendMsg implements grpc.ServerStream.
func (s *stream) SendMsg(m any) error {
	if err := s.check("SendMsg"); err != nil {
		return err
	}
	if m, ok := m.(proto.Message); ok {
		s.keep(kept{"sent", m, proto.Clone(m)})
	}
	return s.ServerStream.SendMsg(m)
}

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(m any) error {
	if err := s.check("RecvMsg"); err != nil {
		return err
	}
	err := s.ServerStream.RecvMsg(m)
	if m, ok := m.(proto.Message); ok && err == nil {
		// The handler may reuse the message, but not change what it points to.
		shallow := m.ProtoReflect().New()
		m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			shallow.Set(field, value)
			return true
		})
		s.keep(kept{"received", shallow.Interface(), proto.Clone(m)})
	}
	return err
}

// check returns an error for a forbidden use of the stream.
func (s *stream) check(operation string) error {
	s.compare()
	switch {
	case s.returned.Load():
		return s.violation(operation, "after the handler has returned")
	case goroutineID() != s.goroutine:
		return s.violation(operation, "in another goroutine than the handler's")
	}
	return nil
}

func (s *stream) violation(operation, how string) error {
	s.tb.Errorf("%s: %s %s", s.method, operation, how)
	return status.Errorf(codes.Internal, "%s: %s %s", s.method, operation, how)
}

func (s *stream) keep(k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept = append(s.kept, k); len(s.kept) > maxKept {
		s.kept = s.kept[1:]
	}
}

// compare fails the test for each shared message that has changed.
func (s *stream) compare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.kept {
		if !proto.Equal(k.shared, k.want) {
			s.tb.Errorf("%s: a %s message changed from %.100v to %.100v", s.method, k.what, k.want, k.shared)
			s.kept[i].want = proto.Clone(k.shared) // fail once
		}
	}
}

// goroutineID returns the number of the current goroutine.
func goroutineID() uint64 {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)] // "goroutine 18 [running]:..."
	id, _ := strconv.ParseUint(string(bytes.Fields(b)[1]), 10, 64)
	return id
}

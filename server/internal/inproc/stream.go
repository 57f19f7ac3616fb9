package inproc

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.com/parity/server/internal/flow"
)

// maxQueued is how many responses a handler may send while its caller sends a request.
// The services send one for each request, and one at the end.
const maxQueued = 16

// wantsRequest is what the coroutine yields in place of a response when the handler waits
// for a request.
type wantsRequest struct{}

// stream is both sides of a streaming call.
type stream struct {
	clientStreams bool
	caller        context.Context
	ctx           flow.HalfDuplexContext // of the handler; ends shortly after the caller's
	cancel        context.CancelFunc

	pool *coroutines

	mu      sync.Mutex  // one goroutine resumes or stops the coroutine at a time
	unwatch func() bool // unregisters from the caller's context
	co      *coroutine  // runs the handler up to its next response or wantsRequest; nil when the handler has returned
	err     error       // the handler's, when it has returned

	// Only the side that has the turn accesses these.
	request any  // the next request; nil if there is none
	closed  bool // there are no more requests
	queued  []any
	yield   func(any) bool
	stopped bool // yield has returned false: it must not be called again
}

func newStream(caller context.Context, pool *coroutines, m method, intercept grpc.StreamServerInterceptor) *stream {
	s := &stream{clientStreams: m.stream.ClientStreams, caller: caller, pool: pool, co: pool.get()}
	s.ctx.Context, s.cancel = context.WithCancel(serverContext(caller))
	s.co.work = func(yield func(any) bool) (again bool) {
		s.yield = yield
		s.err = intercept(m.service, (*serverSide)(s), m.info, m.stream.Handler)
		return !s.stopped
	}
	// A caller may cancel its context and never use the stream again. The context may have
	// ended already: mu holds the function back until unwatch is set.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwatch = context.AfterFunc(caller, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.checkContext()
	})
	return s
}

// abort stops the handler, and ends the call with err. The caller holds mu.
func (s *stream) abort(err error) {
	defer func() { s.err = err }() // whatever the handler returns
	s.leave().stop()
}

// leave detaches the coroutine and returns it. The caller holds mu.
func (s *stream) leave() *coroutine {
	co := s.co
	s.co = nil
	s.cancel()
	s.unwatch()
	return co
}

// checkContext aborts the call if the caller's context has ended. The caller holds mu.
func (s *stream) checkContext() {
	if err := s.caller.Err(); err != nil && s.co != nil {
		s.abort(status.FromContextError(err).Err())
	}
}

// run gives the handler a turn. When the handler has returned, the error is its own, or
// io.EOF. The caller holds mu.
func (s *stream) run() (any, error) {
	if s.co != nil {
		resp, going := s.co.next()
		if _, isOver := resp.(over); going && !isOver {
			return resp, nil
		}
		if co := s.leave(); going {
			s.pool.put(co)
		} else {
			// The handler panicked in an earlier turn, and the caller recovered.
			s.err = errPanicked
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return nil, io.EOF
}

// SendMsg implements grpc.ClientStream. In a client stream the handler has processed m when
// SendMsg returns.
func (s *stream) SendMsg(m any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checkContext(); s.co == nil {
		return io.EOF
	}
	s.request = m
	if !s.clientStreams {
		return nil
	}
	return s.advance()
}

// advance runs the handler until it waits for a request.
func (s *stream) advance() error {
	for {
		resp, err := s.run()
		if err != nil {
			return io.EOF // RecvMsg returns the reason
		}
		if _, wants := resp.(wantsRequest); wants {
			return nil
		}
		if len(s.queued) == maxQueued {
			s.abort(status.Error(codes.ResourceExhausted, "the responses are not received"))
			return io.EOF
		}
		s.queued = append(s.queued, resp)
	}
}

// CloseSend implements grpc.ClientStream.
func (s *stream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *stream) RecvMsg(m any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkContext()
	if len(s.queued) > 0 {
		resp := s.queued[0]
		s.queued = append(s.queued[:0], s.queued[1:]...)
		return share(m, resp)
	}
	resp, err := s.run()
	if err != nil {
		return err
	}
	if _, wants := resp.(wantsRequest); wants {
		if s.checkContext(); s.co == nil { // ctx ended during the turn
			return s.err
		}
		return status.Error(codes.Internal, "the service waits for a request, and its caller for a response")
	}
	return share(m, resp)
}

// Context implements grpc.ClientStream.
func (s *stream) Context() context.Context { return &s.ctx }

// Header implements grpc.ClientStream. There are no headers or trailers.
func (s *stream) Header() (metadata.MD, error) { return nil, nil }

// Trailer implements grpc.ClientStream.
func (s *stream) Trailer() metadata.MD { return nil }

// serverSide is the handler's side of a stream.
type serverSide stream

var errPanicked = status.Error(codes.Internal, "the handler panicked")

var errEnded = status.Error(codes.Canceled, "the call has ended")

// pass yields m to the caller and returns when the handler has the turn again.
func (s *serverSide) pass(m any) error {
	if s.stopped || !s.yield(m) {
		s.stopped = true
		return errEnded
	}
	return nil
}

// SendMsg implements grpc.ServerStream.
func (s *serverSide) SendMsg(m any) error { return s.pass(m) }

// RecvMsg implements grpc.ServerStream.
func (s *serverSide) RecvMsg(m any) error {
	for s.request == nil {
		if s.closed {
			return io.EOF
		}
		if err := s.pass(wantsRequest{}); err != nil {
			return err
		}
	}
	req := s.request
	s.request = nil
	return share(m, req)
}

// Context implements grpc.ServerStream.
func (s *serverSide) Context() context.Context { return &s.ctx }

// SetHeader implements grpc.ServerStream.
func (s *serverSide) SetHeader(metadata.MD) error { return errNoHeaders }

// SendHeader implements grpc.ServerStream. Headers without content need no sending.
func (s *serverSide) SendHeader(md metadata.MD) error {
	if len(md) > 0 {
		return errNoHeaders
	}
	return nil
}

// SetTrailer implements grpc.ServerStream.
func (s *serverSide) SetTrailer(metadata.MD) {}

var errNoHeaders = errors.New("calls in this process have no headers")

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
)

// maxQueued is how many responses a handler may send while its caller is sending a
// request. The services send one for each request, and one at the end.
const maxQueued = 16

// wantsRequest is what a handler's coroutine hands out instead of a response when it
// can do no more without a request.
type wantsRequest struct{}

// stream is a streaming call: both its sides, for they share a coroutine.
type stream struct {
	clientStreams bool
	caller        context.Context
	ctx           context.Context // the server's side's, which ends a moment after the caller's
	cancel        context.CancelFunc

	pool *coroutines

	mu      sync.Mutex  // one goroutine runs the coroutine, or ends it, at a time
	unwatch func() bool // ends the watch on the caller's context
	co      *coroutine  // runs the handler to its next response, or to wantsRequest; nil when it is over
	err     error       // what the handler returned, once it is over

	// These are handed over along with the turn.
	request any  // the next request, nil if there is none
	closed  bool // there will be no more requests
	queued  []any
	yield   func(any) bool
	stopped bool // yield has said that there will be no more turns
}

func newStream(caller context.Context, pool *coroutines, m method, intercept grpc.StreamServerInterceptor) *stream {
	s := &stream{clientStreams: m.stream.ClientStreams, caller: caller, pool: pool, co: pool.get()}
	s.ctx, s.cancel = context.WithCancel(serverContext(caller))
	s.co.work = func(yield func(any) bool) (again bool) {
		s.yield = yield
		s.err = intercept(m.service, (*serverSide)(s), m.info, m.stream.Handler)
		return !s.stopped
	}
	// A caller who gives up need not say so in any other way than by its context. It
	// may have done so already: mu makes that wait until unwatch is set.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwatch = context.AfterFunc(caller, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.checkContext()
	})
	return s
}

// abort ends the handler where it stands, with that error for the caller. The
// caller holds mu.
func (s *stream) abort(err error) {
	defer func() { s.err = err }() // whatever the handler makes of it
	s.leave().stop()
}

// leave gives up the coroutine, which the caller has to see to. The caller holds mu.
func (s *stream) leave() *coroutine {
	co := s.co
	s.co = nil
	s.cancel()
	s.unwatch()
	return co
}

// checkContext ends the call if its context has ended. The caller holds mu.
func (s *stream) checkContext() {
	if err := s.caller.Err(); err != nil && s.co != nil {
		s.abort(status.FromContextError(err).Err())
	}
}

// run gives the handler a turn. It returns an error when the handler is over: its
// own, or else io.EOF. The caller holds mu.
func (s *stream) run() (any, error) {
	if s.co != nil {
		resp, going := s.co.next()
		if _, isOver := resp.(over); going && !isOver {
			return resp, nil
		}
		if co := s.leave(); going {
			s.pool.put(co)
		} else {
			// The handler panicked in an earlier turn, and whoever had that turn recovered.
			s.err = errPanicked
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return nil, io.EOF
}

// SendMsg implements grpc.ClientStream. In a method with many requests the handler
// has dealt with this one when SendMsg returns.
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

// advance lets the handler go on until it wants a request.
func (s *stream) advance() error {
	for {
		resp, err := s.run()
		if err != nil {
			return io.EOF // as in every stream, RecvMsg has the reason
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
		if s.checkContext(); s.co == nil { // it ended during the turn
			return s.err
		}
		return status.Error(codes.Internal, "the service waits for a request, and its caller for a response")
	}
	return share(m, resp)
}

// Context implements grpc.ClientStream.
func (s *stream) Context() context.Context { return s.ctx }

// Header implements grpc.ClientStream. There are no headers and trailers.
func (s *stream) Header() (metadata.MD, error) { return nil, nil }

// Trailer implements grpc.ClientStream.
func (s *stream) Trailer() metadata.MD { return nil }

// serverSide is the handler's side of a stream.
type serverSide stream

var errPanicked = status.Error(codes.Internal, "the handler panicked")

var errEnded = status.Error(codes.Canceled, "the call has ended")

// pass hands the turn to the caller, until it hands it back.
func (s *serverSide) pass(m any) error {
	if s.stopped || !s.yield(m) {
		s.stopped = true // yield must not be called again
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
func (s *serverSide) Context() context.Context { return s.ctx }

// SetHeader implements grpc.ServerStream.
func (s *serverSide) SetHeader(metadata.MD) error { return errNoHeaders }

// SendHeader implements grpc.ServerStream.
func (s *serverSide) SendHeader(metadata.MD) error { return errNoHeaders }

// SetTrailer implements grpc.ServerStream.
func (s *serverSide) SetTrailer(metadata.MD) {}

var errNoHeaders = errors.New("calls in this process have no headers")

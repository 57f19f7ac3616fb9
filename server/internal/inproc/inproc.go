// Package inproc connects generated clients to services in the same process.
//
// It encodes nothing and copies no bytes. A unary call is a function call; the handler of
// a streaming call is a coroutine of its caller. So a message costs no scheduling, and a
// call costs little more memory than its stack.
//
// # Callers
//
// Streams are half-duplex: the two sides take turns (see [flow.HalfDuplexContext]), and
// each side is used by one goroutine at a time. The handler runs only while its caller is
// in SendMsg or RecvMsg. A caller that waits for a response while the handler waits for a
// request gets an INTERNAL error instead of a deadlock.
//
// # Handlers
//
// A handler recognizes a half-duplex stream by [flow.IsHalfDuplex]. It must not
//   - use the stream from any goroutine but the one it was called in;
//   - use the stream after it has returned;
//   - wait for anything that needs its caller to continue, such as another call of the same
//     caller, or for a timer: it blocks its caller;
//   - send more than 16 responses to one request of a client stream: the call then ends
//     with RESOURCE_EXHAUSTED;
//   - modify a message that it has sent, or anything a received message points to: the two
//     sides share them;
//   - depend on headers or trailers: there are none.
//
// A panic of a handler continues in its caller. Package inproctest runs handlers under a
// checker of these rules.
package inproc

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Network is the network of the peer address of every call.
const Network = "inproc"

// Channel is a connection to the services that are registered with it. All services must
// be registered before the first call. After that it is safe for concurrent use.
type Channel struct {
	unary   grpc.UnaryServerInterceptor
	stream  grpc.StreamServerInterceptor
	methods map[string]method // by full name
	pool    coroutines
}

// Close frees the idle coroutines. No call may begin after it.
func (c *Channel) Close() { c.pool.close() }

var (
	_ grpc.ClientConnInterface = (*Channel)(nil)
	_ grpc.ServiceRegistrar    = (*Channel)(nil)
)

// method is a method of a service. Either unary or stream is set.
type method struct {
	service any
	unary   *grpc.MethodDesc
	stream  *grpc.StreamDesc
	info    *grpc.StreamServerInfo // of stream
}

// NewChannel returns a channel without services. The first interceptor is the outermost.
func NewChannel(unary []grpc.UnaryServerInterceptor, stream []grpc.StreamServerInterceptor) *Channel {
	return &Channel{unary: chainUnary(unary), stream: chainStream(stream), methods: map[string]method{}}
}

// RegisterService implements grpc.ServiceRegistrar.
func (c *Channel) RegisterService(desc *grpc.ServiceDesc, service any) {
	for i := range desc.Methods {
		m := &desc.Methods[i]
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = method{service: service, unary: m}
	}
	for i := range desc.Streams {
		s := &desc.Streams[i]
		name := "/" + desc.ServiceName + "/" + s.StreamName
		c.methods[name] = method{service: service, stream: s, info: &grpc.StreamServerInfo{
			FullMethod: name, IsClientStream: s.ClientStreams, IsServerStream: s.ServerStreams,
		}}
	}
}

// Invoke implements grpc.ClientConnInterface.
func (c *Channel) Invoke(ctx context.Context, name string, args, reply any, _ ...grpc.CallOption) error {
	m := c.methods[name]
	if m.unary == nil {
		return unknown(name)
	}
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	decode := func(req any) error { return share(req, args) }
	resp, err := m.unary.Handler(m.service, serverContext(ctx), decode, c.unary)
	if err != nil {
		return err
	}
	return share(reply, resp)
}

// NewStream implements grpc.ClientConnInterface. The caller must receive until an error,
// or end ctx, to release the stream.
func (c *Channel) NewStream(ctx context.Context, _ *grpc.StreamDesc, name string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	m := c.methods[name]
	if m.stream == nil {
		return nil, unknown(name)
	}
	return newStream(ctx, &c.pool, m, c.stream), nil
}

func unknown(name string) error {
	return status.Error(codes.Unimplemented, fmt.Sprintf("unknown method %s", name))
}

// serverContext returns the context of the handler of a call.
func serverContext(ctx context.Context) context.Context {
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	return peer.NewContext(ctx, caller)
}

// caller is the peer of every call.
var caller = &peer.Peer{Addr: address{}}

type address struct{}

var _ net.Addr = address{}

func (address) Network() string { return Network }
func (address) String() string  { return Network }

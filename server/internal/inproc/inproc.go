// Package inproc calls the services in this process as generated clients do.
//
// Nothing is encoded, no bytes are copied, and the two sides of a call take turns:
// a unary call is a function call, and a streaming one is a coroutine of its
// caller. So a message costs no trip through the scheduler, and a call no more
// memory than its stack. The price is that each side of a stream must be used by
// one goroutine at a time, and that a handler which wants the next request has said
// all it has to say: a caller who waits for more then gets an error, not silence.
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

// Network is the network of the peer's address in calls from this process.
const Network = "inproc"

// Channel is a connection to services that are registered with it. Registering
// must be over before the first call.
type Channel struct {
	unary   grpc.UnaryServerInterceptor
	stream  grpc.StreamServerInterceptor
	methods map[string]method // by full name
	pool    coroutines
}

// Close gives up what the channel keeps for calls to come. There must be none.
func (c *Channel) Close() { c.pool.close() }

var (
	_ grpc.ClientConnInterface = (*Channel)(nil)
	_ grpc.ServiceRegistrar    = (*Channel)(nil)
)

// method is a method of a service; one of unary and stream is set.
type method struct {
	service any
	unary   *grpc.MethodDesc
	stream  *grpc.StreamDesc
	info    *grpc.StreamServerInfo // of stream
}

// NewChannel returns a channel without services, with the given interceptors, the
// first outermost.
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

// NewStream implements grpc.ClientConnInterface. The stream ends with ctx at the
// latest.
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

// serverContext is the context of a call on the service's side.
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

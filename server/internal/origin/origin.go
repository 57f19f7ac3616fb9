// Package origin tells where a call came from: through which door, and from which
// address.
package origin

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Doors by which a call can come.
const (
	GRPC   = "grpc"
	Legacy = "legacy"
)

// Origin is where a call came from.
type Origin struct {
	Door string // GRPC or Legacy
	Peer string // the client's IP address and port
}

type contextKey struct{}

// FromContext returns the origin of the call that ctx belongs to.
func FromContext(ctx context.Context) Origin {
	o, _ := ctx.Value(contextKey{}).(Origin)
	return o
}

// Resolver finds out where calls come from.
type Resolver struct {
	// DoorKey and PeerKey are the metadata keys under which a gateway tells for
	// whom it calls. They are believed from callers in this process only: anyone
	// else can write what they like into them.
	DoorKey, PeerKey string
}

func (r Resolver) resolve(ctx context.Context) context.Context {
	o := Origin{Door: GRPC, Peer: "unknown"}
	if p, ok := peer.FromContext(ctx); ok {
		o.Peer = p.Addr.String()
		if p.Addr.Network() == "inproc" {
			md, _ := metadata.FromIncomingContext(ctx)
			o.Door, o.Peer = first(md, r.DoorKey), first(md, r.PeerKey)
		}
	}
	return context.WithValue(ctx, contextKey{}, o)
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return "unknown"
}

// Unary is an interceptor that puts the origin into the context.
func (r Resolver) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(r.resolve(ctx), req)
}

// Stream is an interceptor that puts the origin into the context.
func (r Resolver) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &stream{ServerStream: ss, ctx: r.resolve(ss.Context())})
}

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

// Package origin tells where a call came from: through which door, and from which
// address.
package origin

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"example.com/parity/server/internal/inproc"
)

// Doors by which a call can come.
const (
	GRPC   = "grpc"
	Legacy = "legacy"
)

// Origin is where a call came from.
type Origin struct {
	Door      string // GRPC or Legacy
	Peer      string // the client's IP address and port
	InProcess bool   // whether the caller is a part of this program
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
	// whom it calls. They are believed from callers in this process and from
	// Trusted addresses: anyone else can write what they like into them.
	DoorKey, PeerKey string
	Trusted          []netip.Prefix
}

func (r *Resolver) resolve(ctx context.Context) context.Context {
	o := Origin{Door: GRPC, Peer: "unknown"}
	if p, ok := peer.FromContext(ctx); ok {
		o.Peer = p.Addr.String()
		o.InProcess = p.Addr.Network() == inproc.Network
		if o.InProcess || r.trusts(p.Addr) {
			// Without the client's address it is no gateway that calls, whatever it says.
			if client := metadata.ValueFromIncomingContext(ctx, r.PeerKey); len(client) > 0 {
				o.Peer = client[0]
				if door := metadata.ValueFromIncomingContext(ctx, r.DoorKey); slices.Equal(door, []string{Legacy}) {
					o.Door = Legacy
				}
			}
		}
	}
	return context.WithValue(ctx, contextKey{}, o)
}

// trusts reports whether the caller at addr is a gateway that stands alone.
func (r *Resolver) trusts(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("") // no prefix contains a zoned address
	return slices.ContainsFunc(r.Trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Unary is an interceptor that puts the origin into the context.
func (r *Resolver) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(r.resolve(ctx), req)
}

// Stream is an interceptor that puts the origin into the context.
func (r *Resolver) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &stream{ServerStream: ss, ctx: r.resolve(ss.Context())})
}

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

// Package origin determines where a call comes from: the door and the client's address.
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
	"example.com/parity/server/internal/register"
)

// Origin is where a call comes from.
type Origin struct {
	Door register.Door
	Peer string // the client's IP address and port
	// Local is whether the call was made in this process, by one of its doors.
	Local bool
	// Caller is the name of the caller, if callers must have one.
	Caller string
	// Proven is whether a token or a certificate has proved the name.
	Proven bool
	// Stranger is whether callers must prove who they are, and this one has not.
	Stranger bool
}

type contextKey struct{}

// FromContext returns the origin of the call that ctx belongs to.
func FromContext(ctx context.Context) Origin {
	o, _ := ctx.Value(contextKey{}).(Origin)
	return o
}

// NewContext returns a context with the origin o.
func NewContext(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, contextKey{}, o)
}

// Resolver determines the origin of calls.
type Resolver struct {
	// DoorKey and PeerKey are the metadata keys by which a gateway forwards its door and
	// its client's address. They count only in calls from this process and from Trusted
	// addresses: any other caller can forge them.
	DoorKey, PeerKey string
	Trusted          []netip.Prefix
}

func (r *Resolver) resolve(ctx context.Context) context.Context {
	o := Origin{Door: register.GRPC, Peer: "unknown"}
	if p, ok := peer.FromContext(ctx); ok {
		o.Peer = p.Addr.String()
		o.Local = p.Addr.Network() == inproc.Network
		if o.Local || r.trusts(p.Addr) {
			// A call without a forwarded address is the trusted caller's own.
			if client := metadata.ValueFromIncomingContext(ctx, r.PeerKey); len(client) > 0 {
				o.Peer = client[0]
				if door := metadata.ValueFromIncomingContext(ctx, r.DoorKey); len(door) == 1 && door[0] == register.Legacy.String() {
					o.Door = register.Legacy
				}
			}
		}
	}
	return NewContext(ctx, o)
}

// trusts reports whether a caller on the network may forward addresses.
func (r *Resolver) trusts(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("") // a prefix contains no address with a zone
	return slices.ContainsFunc(r.Trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Unary is an interceptor that adds the origin to the context.
func (r *Resolver) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(r.resolve(ctx), req)
}

// Stream is an interceptor that adds the origin to the context.
func (r *Resolver) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &stream{ServerStream: ss, ctx: r.resolve(ss.Context())})
}

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

package app

import (
	"slices"

	"google.golang.org/grpc"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/auth"
	"example.com/parity/server/internal/callrate"
	"example.com/parity/server/internal/origin"
)

// interceptors are the chain that every call of the services passes, whichever door it
// comes through, outermost first.
type interceptors struct {
	unary  []grpc.UnaryServerInterceptor
	stream []grpc.StreamServerInterceptor
}

// newChain returns the chain: what finds out where a call came from and who calls; then
// more, which observes it; inside, what refuses it. who may be nil.
func newChain(flags *serveCommand, who *auth.Auth, more interceptors) interceptors {
	from := newResolver(flags)
	chain := interceptors{
		unary:  []grpc.UnaryServerInterceptor{from.Unary},
		stream: []grpc.StreamServerInterceptor{from.Stream},
	}
	var authorize interceptors
	if who != nil {
		chain.add(interceptors{
			unary:  []grpc.UnaryServerInterceptor{who.IdentifyUnary()},
			stream: []grpc.StreamServerInterceptor{who.IdentifyStream()},
		})
		authorize = interceptors{
			unary:  []grpc.UnaryServerInterceptor{who.AuthorizeUnary()},
			stream: []grpc.StreamServerInterceptor{who.AuthorizeStream()},
		}
	}
	chain.add(more)
	if flags.CallRate > 0 {
		limiter := callrate.New(flags.CallRate, slices.Concat(flags.TrustedGateways, flags.TrustedNetworks))
		chain.add(interceptors{
			unary:  []grpc.UnaryServerInterceptor{limiter.Unary},
			stream: []grpc.StreamServerInterceptor{limiter.Stream},
		})
	}
	chain.add(authorize)
	return chain
}

func (c *interceptors) add(more interceptors) {
	c.unary = append(c.unary, more.unary...)
	c.stream = append(c.stream, more.stream...)
}

// newResolver returns the interceptor that finds out where a call came from.
func newResolver(flags *serveCommand) *origin.Resolver {
	return &origin.Resolver{
		DoorKey: legacytcp.MetadataDoor,
		PeerKey: legacytcp.MetadataPeer,
		Trusted: flags.TrustedGateways,
	}
}

package app

import (
	"google.golang.org/grpc"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/origin"
)

// interceptors are the chain that every call of the services passes, whichever door it
// comes through, outermost first.
type interceptors struct {
	unary  []grpc.UnaryServerInterceptor
	stream []grpc.StreamServerInterceptor
}

// newResolver returns the interceptor that finds out where a call came from.
func newResolver(flags *serveCommand) *origin.Resolver {
	return &origin.Resolver{
		DoorKey: legacytcp.MetadataDoor,
		PeerKey: legacytcp.MetadataPeer,
		Trusted: flags.TrustedGateways,
	}
}

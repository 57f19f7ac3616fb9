package app

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"example.com/parity/server/internal/auth"
	"example.com/parity/server/internal/h2"
)

// openAuth reads --auth. It returns nil if there is none.
func (c *serveCommand) openAuth(log *slog.Logger) (*auth.Auth, error) {
	if c.Auth == "" {
		return nil, nil
	}
	return auth.Open(c.Auth, auth.Options{Log: log, Certificate: certificateNames})
}

// certificateNames returns the names in the certificate of a call's peer, if the TLS of the
// gRPC door has verified it.
func certificateNames(ctx context.Context) []string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	guarded, ok := p.AuthInfo.(h2.AuthInfo)
	if !ok {
		return nil
	}
	info, ok := guarded.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return nil
	}
	leaf := info.State.VerifiedChains[0][0]
	names := append([]string(nil), leaf.DNSNames...)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	names = append(names, leaf.EmailAddresses...)
	if cn := leaf.Subject.CommonName; cn != "" {
		names = append(names, cn)
	}
	return names
}

// Package bearer sends a token with every call, for the client and the gateway.
package bearer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc"
)

// ErrPlaintext means that a token would cross a network in plain text.
var ErrPlaintext = errors.New("the token would be sent in plain text: use TLS")

// Option returns the option that sends token with every call to a gRPC target. Without TLS
// the target must be on this machine.
func Option(token, target string, hasTLS bool) (grpc.DialOption, error) {
	switch {
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the token must be printable ASCII without spaces")
	case !hasTLS && !isLocal(target):
		return nil, fmt.Errorf("%w to %s", ErrPlaintext, target)
	}
	return grpc.WithPerRPCCredentials(credentials{"authorization": "Bearer " + token}), nil
}

// isLocal reports whether only this machine can read what is sent to a target.
func isLocal(target string) bool {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return true
	}
	if _, rest, found := strings.Cut(target, ":///"); found {
		target = rest
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// credentials are the metadata of every call.
type credentials map[string]string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c credentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return c, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: Option has checked it.
func (credentials) RequireTransportSecurity() bool { return false }

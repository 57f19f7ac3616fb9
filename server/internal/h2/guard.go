package h2

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"example.com/parity/server/internal/flow"
)

// Reason tells why a connection was closed. It is a word for metrics.
type Reason string

// Reasons.
const (
	ReasonStalled Reason = "send_stalled" // something did not go out for want of window
	ReasonResets  Reason = "resets"       // calls were reset too fast
)

// Options configure a Guard.
type Options struct {
	// Account is what connections may hold beyond ownShare each.
	Account *flow.Account
	// Timeout is how long a peer may grant nothing, while something waits for it.
	Timeout time.Duration
	// MaxResets is how many calls of one connection may be reset in a second, if they
	// are half of all.
	MaxResets int
	// AtMost returns how long a message may become when it is encoded, or 0: then it is
	// measured, which for a message that is sent often is worth saving. Nil: all are.
	AtMost func(m any) int64
	// Count is called for every connection that is closed. Nil: nobody counts.
	Count func(Reason)
}

// Guard watches the connections of one server.
type Guard struct {
	o       Options
	largest sync.Map // of *atomic.Int64 by method: see largestOf
}

// New returns a Guard.
func New(o Options) *Guard {
	if o.Count == nil {
		o.Count = func(Reason) {}
	}
	return &Guard{o: o}
}

// Credentials returns credentials that do what inner does, nil: nothing, and have the
// connections watched.
func (g *Guard) Credentials(inner credentials.TransportCredentials) credentials.TransportCredentials {
	return &transport{inner, g}
}

type transport struct {
	credentials.TransportCredentials // nil: plaintext
	guard                            *Guard
}

// ServerHandshake implements credentials.TransportCredentials.
func (t *transport) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	info := AuthInfo{}
	if t.TransportCredentials != nil {
		var err error
		if raw, info.AuthInfo, err = t.TransportCredentials.ServerHandshake(raw); err != nil {
			return nil, nil, err
		}
	}
	info.conn = newConn(raw, t.guard)
	return info.conn, info, nil
}

// Info implements credentials.TransportCredentials.
func (t *transport) Info() credentials.ProtocolInfo {
	if t.TransportCredentials == nil {
		return credentials.ProtocolInfo{SecurityProtocol: plaintext}
	}
	return t.TransportCredentials.Info()
}

// Clone implements credentials.TransportCredentials.
func (t *transport) Clone() credentials.TransportCredentials {
	if t.TransportCredentials == nil {
		return &transport{nil, t.guard}
	}
	return &transport{t.TransportCredentials.Clone(), t.guard}
}

// plaintext is grpc-go's name for no security.
const plaintext = "insecure"

// AuthInfo is the peer's in the calls of a watched connection. The AuthInfo in it is
// what the handshake gave, for TLS a credentials.TLSInfo, and nil without one.
type AuthInfo struct {
	credentials.AuthInfo
	conn *Conn
}

// AuthType implements credentials.AuthInfo.
func (i AuthInfo) AuthType() string {
	if i.AuthInfo == nil {
		return plaintext
	}
	return i.AuthInfo.AuthType()
}

// Tap is what the server calls for every call before it begins: see grpc.InTapHandle.
func (g *Guard) Tap(ctx context.Context, _ *tap.Info) (context.Context, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	info, ok := p.AuthInfo.(AuthInfo)
	if !ok {
		return ctx, nil
	}
	return flow.NewContext(ctx, info.conn.open()), nil
}

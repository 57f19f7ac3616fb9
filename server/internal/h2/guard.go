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

// Reason is why a connection was closed. It is the value of a metric's label.
type Reason string

// Reasons.
const (
	ReasonStalled Reason = "send_stalled" // queued data made no progress for lack of window
	ReasonResets  Reason = "resets"       // calls were reset too fast
)

// Options configure a Guard.
type Options struct {
	// Account bounds what all connections hold beyond connAllowance each.
	Account *flow.Account
	// Requests bounds the bytes of requests that wait for handlers, beyond requestAllowance
	// for each connection. It may be the same account. Nil: only the windows bound them.
	Requests *flow.Account
	// Timeout is how long a peer may grant no window while a message waits for it.
	Timeout time.Duration
	// RequestTimeout is how long the first message of a call may take to arrive, or the whole
	// request of a call with one request.
	RequestTimeout time.Duration
	// MaxResets is the maximum number of calls of one connection that may be reset in a
	// second, if they are at least half of all calls.
	MaxResets int
	// AtMost returns an upper bound for the encoded size of a message in bytes, or 0: then
	// the size is computed, which is expensive for a message that is sent often. Nil: always
	// compute it.
	AtMost func(m any) int64
	// Count is called for every connection that the Guard closes. May be nil.
	Count func(Reason)
}

// Guard watches the connections of one server.
type Guard struct {
	o       Options
	largest sync.Map // method name → *atomic.Int64: see largestOf
}

// New returns a Guard.
func New(o Options) *Guard {
	if o.Count == nil {
		o.Count = func(Reason) {}
	}
	return &Guard{o: o}
}

// Credentials returns credentials that wrap every connection in a Conn after the handshake
// of inner. If inner is nil, there is no handshake.
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
	place, _ := raw.(interface{ Heard() })
	if t.TransportCredentials != nil {
		var err error
		if raw, info.AuthInfo, err = t.TransportCredentials.ServerHandshake(raw); err != nil {
			return nil, nil, err
		}
	}
	info.conn = newConn(raw, t.guard)
	info.conn.place = place
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

// AuthInfo is the AuthInfo of the peer in the calls of a connection that a Guard watches. The
// embedded AuthInfo is the result of the inner handshake, for example a credentials.TLSInfo,
// or nil.
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

// Tap is a tap.ServerInHandle: the server calls it at the start of every call.
func (g *Guard) Tap(ctx context.Context, _ *tap.Info) (context.Context, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	info, ok := p.AuthInfo.(AuthInfo)
	if !ok {
		return ctx, nil
	}
	s := info.conn.open()
	if !info.conn.hasRequest(s.id) {
		ctx = s.await(ctx)
	}
	return flow.NewContext(ctx, s), nil
}

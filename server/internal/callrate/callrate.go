// Package callrate limits how many calls a client may begin in a second. A client is a
// caller who has proved a name, or else an address.
package callrate

import (
	"context"
	"net/netip"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/origin"
)

// maxClients is how many clients are remembered, about 200 bytes each. Beyond it the one
// that has not called for longest is forgotten: who has so many addresses escapes the limit,
// but takes no memory.
const maxClients = 65_536

// Limiter limits calls. It is safe for concurrent use.
type Limiter struct {
	perSecond int
	exempt    []netip.Prefix
	clients   *lru.Cache[string, *rate.Limiter]
}

// New returns a Limiter that permits each client that many calls a second, after a burst of
// as many. Addresses in exempt, which stand for many clients, are not limited.
func New(perSecond int, exempt []netip.Prefix) *Limiter {
	clients, err := lru.New[string, *rate.Limiter](maxClients)
	if err != nil { // only for a size that is not positive
		panic(err)
	}
	return &Limiter{perSecond, exempt, clients}
}

// admit returns an error with the delay after which the caller of ctx may call again, or nil.
// go-grpc-middleware's interceptors would leave out the delay.
func (l *Limiter) admit(ctx context.Context) error {
	key, limited := l.key(origin.FromContext(ctx))
	if !limited {
		return nil
	}
	client, ok := l.clients.Get(key)
	if !ok {
		client = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
		// Of two first calls at once, one may go uncounted.
		l.clients.Add(key, client)
	}
	next := client.Reserve()
	delay := next.Delay()
	if delay == 0 {
		return nil
	}
	next.Cancel()
	return apierror.Exhausted("CALL_RATE", "the client calls faster than it may", delay.Round(time.Millisecond)+time.Millisecond)
}

// key returns what identifies a client, and whether it is limited.
func (l *Limiter) key(from origin.Origin) (key string, limited bool) {
	if from.Proven {
		return "caller " + from.Caller, true
	}
	addr, err := netip.ParseAddrPort(from.Peer)
	if err != nil {
		return "", false // a call of this process for nobody else
	}
	ip := addr.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(l.exempt, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return "", false
	}
	if ip.Is6() {
		network, _ := ip.Prefix(64) // never fails for an IPv6 address
		return network.String(), true
	}
	return ip.String(), true
}

// Unary is the interceptor of unary calls.
func (l *Limiter) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := l.admit(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// Stream is the interceptor of streaming calls.
func (l *Limiter) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := l.admit(ss.Context()); err != nil {
		return err
	}
	return next(srv, ss)
}

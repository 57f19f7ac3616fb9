package origin

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"example.com/parity/server/internal/register"
)

const (
	doorKey = "parity-door"
	peerKey = "parity-peer"
)

// newContext returns the context of a call from addr with that metadata.
func newContext(tb testing.TB, addr net.Addr, md ...string) context.Context {
	tb.Helper()
	ctx := tb.Context()
	if addr != nil {
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: addr})
	}
	return metadata.NewIncomingContext(ctx, metadata.Pairs(md...))
}

// local is the address of a caller in this process.
type local struct{}

func (local) Network() string { return "inproc" }
func (local) String() string  { return "inproc" }

// resolved returns the origins that the interceptors put into the context of a call.
func resolved(tb testing.TB, r *Resolver, ctx context.Context) (unary, stream Origin) {
	tb.Helper()
	_, err := r.Unary(ctx, nil, nil, func(ctx context.Context, _ any) (any, error) {
		unary = FromContext(ctx)
		return nil, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	err = r.Stream(nil, serverStream{ctx: ctx}, nil, func(_ any, ss grpc.ServerStream) error {
		stream = FromContext(ss.Context())
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return unary, stream
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }

func TestResolve(t *testing.T) {
	const client = "192.0.2.7:4711"
	tcp := func(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }
	r := &Resolver{DoorKey: doorKey, PeerKey: peerKey, Trusted: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10"),
	}}
	forwarded := []string{doorKey, "legacy", peerKey, client}
	for _, tt := range []struct {
		name string
		addr net.Addr
		md   []string
		want Origin
	}{
		{"a client", tcp("192.0.2.1:80"), nil, Origin{Door: register.GRPC, Peer: "192.0.2.1:80"}},
		{"a client that forges both", tcp("192.0.2.1:80"), forwarded, Origin{Door: register.GRPC, Peer: "192.0.2.1:80"}},
		{"in process", local{}, forwarded, Origin{Door: register.Legacy, Peer: client, Local: true}},
		{"in process, its own call", local{}, nil, Origin{Door: register.GRPC, Peer: "inproc", Local: true}},
		{"a trusted gateway", tcp("10.1.2.3:80"), forwarded, Origin{Door: register.Legacy, Peer: client}},
		{"a trusted gateway, IPv4 in IPv6", tcp("[::ffff:10.1.2.3]:80"), forwarded, Origin{Door: register.Legacy, Peer: client}},
		{"a trusted gateway with a zone", tcp("[fe80::1%eth0]:80"), forwarded, Origin{Door: register.Legacy, Peer: client}},
		{"a trusted gateway, its own call", tcp("10.1.2.3:80"), nil, Origin{Door: register.GRPC, Peer: "10.1.2.3:80"}},
		{"a door without a peer", tcp("10.1.2.3:80"), []string{doorKey, "legacy"}, Origin{Door: register.GRPC, Peer: "10.1.2.3:80"}},
		{"a peer without a door", tcp("10.1.2.3:80"), []string{peerKey, client}, Origin{Door: register.GRPC, Peer: client}},
		{"another door", tcp("10.1.2.3:80"), []string{doorKey, "back", peerKey, client}, Origin{Door: register.GRPC, Peer: client}},
		{"two doors", tcp("10.1.2.3:80"), append([]string{doorKey, "legacy"}, forwarded...), Origin{Door: register.GRPC, Peer: client}},
		{"a Unix socket", &net.UnixAddr{Name: "/s", Net: "unix"}, forwarded, Origin{Door: register.GRPC, Peer: "/s"}},
		{"no peer", nil, forwarded, Origin{Door: register.GRPC, Peer: "unknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unary, stream := resolved(t, r, newContext(t, tt.addr, tt.md...))
			if unary != tt.want || stream != tt.want {
				t.Errorf("origin %v of a unary call, %v of a stream, want %v", unary, stream, tt.want)
			}
		})
	}
	unary, stream := resolved(t, &Resolver{DoorKey: doorKey, PeerKey: peerKey}, newContext(t, tcp("10.1.2.3:80"), forwarded...))
	if want := (Origin{Door: register.GRPC, Peer: "10.1.2.3:80"}); unary != want || stream != want {
		t.Errorf("without trusted gateways: origins %v and %v, want %v", unary, stream, want)
	}
}

func TestFromContextWithoutOrigin(t *testing.T) {
	if got := FromContext(t.Context()); got != (Origin{}) {
		t.Errorf("FromContext = %v, want the zero Origin", got)
	}
}

package app

import (
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // for clients that compress
	"google.golang.org/grpc/keepalive"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/internal/tlsfiles"
	"example.com/parity/server/internal/codec"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/metrics"
	"example.com/parity/server/internal/netguard"
	"example.com/parity/server/internal/numbers"
)

const (
	// maxRequest is the maximum size of a request, in bytes. The largest valid one is a
	// file name and a page token, about 4 KiB.
	maxRequest = 8 << 10
	// requestTimeout is how long a request may take to arrive. It is longer than
	// numbers.RegisterTimeout, so that sessions end by their own rule.
	requestTimeout = 15 * time.Second
	// streamWindow is how many bytes of requests a call may send ahead of its handler: the
	// minimum of grpc-go. Its default is to raise the windows up to 16 MiB, by a measurement
	// that a peer can bias. connWindow is the same for all calls of a connection, whose
	// window is granted again as soon as bytes arrive: enough for the reports of a gateway
	// with a round trip of 100 ms.
	streamWindow = 64 << 10
	connWindow   = 1 << 20
	// maxHeader is the maximum size of a call's headers, in bytes: room for a token and
	// trace context.
	maxHeader = 16 << 10
	// maxCalls is the maximum of open calls on one connection; more wait in the client.
	// Browsers and other servers use similar limits. grpc-go's default is no limit.
	maxCalls = 250
	// maxGatewayCalls is the same for trusted gateways. It must exceed the 16,384
	// connections of a standalone gateway, each of which is a call.
	maxGatewayCalls = 20_000
	// sendTimeout is how long a peer may make no progress in reading, as in the original
	// protocols.
	sendTimeout = 30 * time.Second
	// handshakeTimeout is how long the handshakes of a new connection may take.
	handshakeTimeout = 10 * time.Second
	// pingEvery is how long a connection may be silent before it is pinged, and
	// pingTimeout how long the answer may take.
	pingEvery   = 30 * time.Second
	pingTimeout = 15 * time.Second
	// writeBuffer is how many bytes are collected for one write to a socket. gRPC cuts
	// everything into frames of 16 KiB; a system call for each would cost more than the
	// rest of sending. Only connections that write have a buffer, but a slow reader keeps
	// its own, so it is no larger.
	writeBuffer = 256 << 10
	// streamWorkers is how many goroutines are kept for new calls. A new goroutine has to
	// grow its stack for the interceptors and the handler, which is a tenth of the cost of
	// a small file. Calls beyond them get new goroutines.
	streamWorkers = 64
	// minPing is the minimum interval between a client's pings.
	minPing = 5 * time.Second
)

// maxConnectionIdle is how long a connection may have no call. An unused connection must
// not keep its place for ever; clients reconnect when they have a call to make. Only
// tests change it.
var maxConnectionIdle = 10 * time.Minute

// grpcDoorOptions are what the gRPC door needs beside the flags.
type grpcDoorOptions struct {
	limits       netguard.Limits // of connections
	interceptors interceptors
	tls          *tlsfiles.Live // nil: none
	replies      *flow.Account
	metrics      *metrics.GRPCDoor
	log          *slog.Logger
}

// newGRPCDoor returns a door without services.
func newGRPCDoor(flags *serveCommand, o grpcDoorOptions) (*grpcDoor, error) {
	encoding, err := codec.New(numbers.Increments()...)
	if err != nil {
		return nil, err
	}
	var security credentials.TransportCredentials // nil: none
	if o.tls != nil {
		security = o.tls.Credentials()
	}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(encoding),
		grpc.ReadBufferSize(0), // the guard's connections have one
		grpc.WriteBufferSize(writeBuffer),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout, MaxConnectionIdle: maxConnectionIdle}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	}
	newServer := func(calls int, requests *flow.Account) *grpc.Server {
		guard := h2.New(h2.Options{
			Account:        o.replies,
			Requests:       requests,
			Timeout:        sendTimeout,
			RequestTimeout: requestTimeout,
			MaxResets:      2 * calls,
			AtMost:         numbers.AtMost,
			Count:          o.metrics.Closed,
		})
		stream := slices.Concat(o.interceptors.stream, []grpc.StreamServerInterceptor{
			codec.Uncompressed(filesv1.FileService_Get_FullMethodName), guard.Stream,
		})
		return grpc.NewServer(slices.Concat(options, []grpc.ServerOption{
			grpc.Creds(guard.Credentials(security)),
			grpc.InTapHandle(guard.Tap),
			grpc.MaxConcurrentStreams(uint32(calls)),
			grpc.ChainUnaryInterceptor(slices.Concat(o.interceptors.unary, []grpc.UnaryServerInterceptor{guard.Unary})...),
			grpc.ChainStreamInterceptor(stream...),
		})...)
	}
	door := &grpcDoor{
		strangers: newServer(maxCalls, o.replies),
		trusted:   flags.TrustedGateways,
		limits:    o.limits,
		metrics:   o.metrics,
		log:       o.log,
	}
	if len(flags.TrustedGateways) > 0 {
		// After a stall of this server, thousands of sessions send what they have all at once.
		door.gateways = newServer(maxGatewayCalls, nil)
	}
	return door, nil
}

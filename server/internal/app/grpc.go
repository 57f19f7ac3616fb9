package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // for clients that compress
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/codec"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/h2"
	"example.com/parity/server/internal/netguard"
	"example.com/parity/server/internal/numbers"
	"example.com/parity/server/internal/origin"
)

const (
	// maxRequest is the most bytes of a request. The largest legal one is a file
	// name and a page token, some 4 KiB.
	maxRequest = 64 << 10
	// maxHeader is the most bytes of a call's headers: room for a token and traces.
	maxHeader = 16 << 10
	// maxCalls is the most calls that one connection may have open at once; more wait
	// in the client. It is what browsers and other servers have come to expect.
	// grpc-go's own default is no limit.
	maxCalls = 250
	// maxGatewayCalls is the same for trusted gateways. It must exceed the 16,384
	// connections of a gateway that stands alone, each of which is a call.
	maxGatewayCalls = 20_000
	// sendTimeout is how long a peer may take nothing of what there is to send: as the
	// original protocols have it.
	sendTimeout = 30 * time.Second
	// handshakeTimeout is how long a new connection may take to become one.
	handshakeTimeout = 10 * time.Second
	// pingEvery is how long a connection may be silent before it is checked to be
	// alive, and pingTimeout how long the answer may take.
	pingEvery   = 30 * time.Second
	pingTimeout = 15 * time.Second
	// writeBuffer is how many bytes are gathered for one write to a socket: gRPC cuts
	// everything into frames of 16 KiB, and a system call for each would cost more
	// than the rest of sending. Only connections that are being written to have one,
	// but a client that reads slowly keeps its own, so it is no larger.
	writeBuffer = 256 << 10
	// streamWorkers is how many goroutines are kept for calls to come. A new one has to
	// grow its stack for the interceptors and the handler, which is a tenth of what a
	// small file costs; calls beyond them have new ones.
	streamWorkers = 64
	// minPing is how often clients may check in their turn.
	minPing = 5 * time.Second
)

// maxConnectionIdle is how long a connection may have no call: one that nobody uses must
// not keep its place for ever. Clients connect again by themselves when they have one to
// make. Only tests change it.
var maxConnectionIdle = 10 * time.Minute

// interceptors are what every call passes, through whichever door it comes, the
// first outermost.
type interceptors struct {
	unary  []grpc.UnaryServerInterceptor
	stream []grpc.StreamServerInterceptor
}

// newResolver returns what finds out where a call came from.
func newResolver(cfg *serveConfig) *origin.Resolver {
	return &origin.Resolver{
		DoorKey: legacytcp.MetadataDoor,
		PeerKey: legacytcp.MetadataPeer,
		Trusted: cfg.TrustedGateways,
	}
}

// grpcLimits returns how many connections the door is configured to have.
func grpcLimits(cfg *serveConfig) netguard.Limits {
	return netguard.Limits{
		Total:      cfg.GRPCConnections,
		PerAddress: cfg.GRPCConnectionsPerAddress,
		Exempt:     slices.Concat(cfg.TrustedGateways, cfg.TrustedNetworks),
	}
}

// newGRPCDoor returns a door without services. Health watches end when drain is
// closed: they would hold up the end of the program for nothing.
func newGRPCDoor(cfg *serveConfig, limits netguard.Limits, chain interceptors, drain <-chan struct{}, replies *flow.Account, log *slog.Logger, metrics *doorMetrics) (*grpcDoor, error) {
	encoding, err := codec.New(numbers.Increments()...)
	if err != nil {
		return nil, err
	}
	var security credentials.TransportCredentials // nil: none
	if cfg.hasTLS() {
		config, err := loadTLS(cfg)
		if err != nil {
			return nil, err
		}
		security = credentials.NewTLS(config)
	}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(encoding),
		grpc.ReadBufferSize(0), // the guard's connections have one
		grpc.WriteBufferSize(writeBuffer),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout, MaxConnectionIdle: maxConnectionIdle}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	}
	serve := func(calls int) *grpc.Server {
		guard := h2.New(h2.Options{
			Account:   replies,
			Timeout:   sendTimeout,
			MaxResets: 2 * calls,
			AtMost:    numbers.AtMost,
			Count:     metrics.cutOff,
		})
		stream := slices.Concat([]grpc.StreamServerInterceptor{endWatches(drain)}, chain.stream, []grpc.StreamServerInterceptor{guard.Stream})
		return grpc.NewServer(slices.Concat(options, []grpc.ServerOption{
			grpc.Creds(guard.Credentials(security)),
			grpc.InTapHandle(guard.Tap),
			grpc.MaxConcurrentStreams(uint32(calls)),
			grpc.ChainUnaryInterceptor(slices.Concat(chain.unary, []grpc.UnaryServerInterceptor{guard.Unary})...),
			grpc.ChainStreamInterceptor(stream...),
		})...)
	}
	door := &grpcDoor{
		strangers: serve(maxCalls),
		trusted:   cfg.TrustedGateways,
		limits:    limits,
		metrics:   metrics,
		log:       log,
	}
	if len(cfg.TrustedGateways) > 0 {
		door.gateways = serve(maxGatewayCalls)
	}
	return door, nil
}

func loadTLS(cfg *serveConfig) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if cfg.TLSClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = loadAuthorities(cfg.TLSClientCA); err != nil {
		return nil, fmt.Errorf("--tls-client-ca: %w", err)
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

func endWatches(drain <-chan struct{}) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if info.FullMethod != grpc_health_v1.Health_Watch_FullMethodName {
			return next(srv, ss)
		}
		ctx, cancel := context.WithCancel(ss.Context())
		defer cancel()
		go func() {
			select {
			case <-drain:
				cancel()
			case <-ctx.Done():
			}
		}()
		return next(srv, watchStream{ss, ctx})
	}
}

type watchStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s watchStream) Context() context.Context { return s.ctx }

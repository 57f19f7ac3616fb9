package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"example.com/parity/server/internal/netguard"
)

// upstreamBackoff is how long to wait before an upstream that cannot be reached is
// tried again. The longest wait is well below the 30 s for which the gateway holds
// counting sessions without it.
var upstreamBackoff = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}

// roundRobin spreads calls over all addresses of the upstream.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// run serves the original protocols in front of gRPC servers elsewhere.
func (c *gatewayConfig) run(ctx context.Context, stderr io.Writer) error {
	upstream, err := c.dial()
	if err != nil {
		return err
	}
	defer upstream.Close()
	f := newFront(&c.commonConfig, stderr)
	defer f.close()
	f.share(netguard.Limits{}, 0)
	if err := f.listen(); err != nil {
		return err
	}
	f.openDoors(upstream, f.stderr, func() bool { return upstream.GetState() == connectivity.Ready }, nil)
	upstream.Connect()
	doors, ctx := errgroup.WithContext(ctx)
	f.serve(doors)
	<-ctx.Done()
	f.stderr.Info("shutting down", "timeout", c.DrainTimeout)
	drain, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	if err := f.shutdown(drain); err != nil {
		f.stderr.Warn("connections were cut off", "cause", err)
	}
	return doors.Wait()
}

// dial returns a connection to the upstream, which need not be there yet.
func (c *gatewayConfig) dial(more ...grpc.DialOption) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if c.hasTLS() {
		config, err := c.loadTLS()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	upstream, err := grpc.NewClient(c.Upstream, append(more,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(roundRobin),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: upstreamBackoff, MinConnectTimeout: handshakeTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("--upstream: %w", err)
	}
	return upstream, nil
}

func (c *gatewayConfig) loadTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.UpstreamCA != "" {
		var err error
		if config.RootCAs, err = loadAuthorities(c.UpstreamCA); err != nil {
			return nil, fmt.Errorf("--upstream-ca: %w", err)
		}
	}
	if c.UpstreamCert != "" {
		certificate, err := tls.LoadX509KeyPair(c.UpstreamCert, c.UpstreamKey)
		if err != nil {
			return nil, fmt.Errorf("--upstream-cert, --upstream-key: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// loadAuthorities reads certificates to verify others by.
func loadAuthorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in it")
	}
	return pool, nil
}

package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"example.com/parity/internal/bearer"
	"example.com/parity/internal/reconnect"
	"example.com/parity/internal/tlsfiles"
	"example.com/parity/server/internal/metrics"
)

// roundRobin spreads calls over all addresses of the upstream.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// gatewayCommand serves the original protocols in front of gRPC servers elsewhere.
type gatewayCommand struct {
	Upstream      string `required:"" placeholder:"TARGET" help:"The gRPC servers as a gRPC target, HOST:PORT or dns:///HOST:PORT; calls go to all addresses in turn."`
	UpstreamTLS   bool   `name:"upstream-tls" help:"Use TLS to the upstream, verified by the system's authorities."`
	UpstreamCA    string `name:"upstream-ca" placeholder:"FILE" help:"Use TLS to the upstream, verified by these authorities, PEM."`
	UpstreamCert  string `name:"upstream-cert" placeholder:"FILE" help:"Certificate for the upstream, PEM."`
	UpstreamKey   string `name:"upstream-key" placeholder:"FILE" help:"Its private key, PEM."`
	UpstreamToken string `name:"upstream-token" placeholder:"TOKEN" help:"Token for the upstream; needs TLS to it unless it is on this machine. Put it into the variable: all users of the machine can read the command line."`

	commonFlags
}

// AfterApply implements command.
func (c *gatewayCommand) AfterApply() error {
	switch {
	case (c.UpstreamCert == "") != (c.UpstreamKey == ""):
		return errors.New("--upstream-cert and --upstream-key: set both or none")
	case c.UpstreamCert != "" && !c.hasUpstreamTLS():
		return errors.New("--upstream-cert: needs --upstream-tls or --upstream-ca")
	case c.Legacy == "" && c.LegacyFiles == "" && c.LegacyTLS == "":
		return errors.New("--legacy: must not be empty if --legacy-files and --legacy-tls are: there is nothing to serve")
	}
	return c.check()
}

func (c *gatewayCommand) hasUpstreamTLS() bool { return c.UpstreamTLS || c.UpstreamCA != "" }

// Run implements command.
func (c *gatewayCommand) Run(ctx context.Context, to streams) error {
	log := newOperatorLog(to.err)
	limitMemory(log)
	doorTLS, err := c.openTLS(log)
	if err != nil {
		return err
	}
	upstreamTLS, err := c.openUpstreamTLS(log)
	if err != nil {
		return err
	}
	upstream, err := c.dial(upstreamTLS)
	if err != nil {
		return err
	}
	defer upstream.Close()
	if err := checkInherited("--legacy", "--legacy-files", "--legacy-tls", "--admin"); err != nil {
		return err
	}
	front, err := openFront(&c.commonFlags, doorTLS, log)
	if err != nil {
		return err
	}
	defer front.close()
	descriptors := shareDescriptors(descriptors{legacy: c.legacyLimits()})
	registry := metrics.NewRegistry()
	registry.MustRegister(metrics.NewCertificates(map[string]*tlsfiles.Live{"server": doorTLS, "upstream": upstreamTLS}))
	front.connect(upstream, frontOptions{
		limits:   descriptors.granted.legacy,
		log:      log,
		registry: registry,
		healthy:  func() bool { return upstream.GetState() == connectivity.Ready },
	})
	upstream.Connect()
	doors, ctx := errgroup.WithContext(ctx)
	descriptors.warn(log)
	front.serve(doors)
	for _, live := range []*tlsfiles.Live{doorTLS, upstreamTLS} {
		if live != nil {
			follow(ctx, doors, live)
		}
	}
	notify(daemon.SdNotifyReady)
	<-ctx.Done()
	notify(daemon.SdNotifyStopping)
	log.Info("shutting down", "timeout", c.DrainTimeout)
	drain, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	if err := front.shutdown(drain); err != nil {
		log.Warn("connections were cut off", "cause", err)
	}
	return doors.Wait()
}

// dial returns a connection to the upstream, which need not be reachable yet.
func (c *gatewayCommand) dial(live *tlsfiles.Live, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if live != nil {
		transport = live.Credentials()
	}
	if c.UpstreamToken != "" {
		token, err := bearer.Option(c.UpstreamToken, c.Upstream, live != nil)
		if err != nil {
			return nil, fmt.Errorf("--upstream-token: %w", err)
		}
		more = append(more, token)
	}
	upstream, err := grpc.NewClient(c.Upstream, append(more,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(roundRobin),
		reconnect.Option(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingTimeout, PermitWithoutStream: true}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("--upstream: %w", err)
	}
	return upstream, nil
}

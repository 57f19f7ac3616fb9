package app

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tlsfiles"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/admin"
	"example.com/parity/server/internal/metrics"
	"example.com/parity/server/internal/netguard"
	"example.com/parity/server/internal/tlsconn"
)

// front is what both commands serve: the original protocols, and the operators' HTTP.
type front struct {
	flags  *commonFlags
	stderr *slog.Logger

	legacyListener, filesListener, tlsListener, adminListener net.Listener // nil: off

	// connect sets these.
	gateway *legacytcp.Gateway
	admin   *admin.Server
}

// openFront takes the ports. On failure none stays taken. The TLS is that of --legacy-tls.
func openFront(flags *commonFlags, live *tlsfiles.Live, stderr *slog.Logger) (_ *front, err error) {
	f := &front{flags: flags, stderr: stderr}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.legacyListener, err = listen("--legacy", flags.Legacy, nil); err != nil {
		return nil, err
	}
	if f.filesListener, err = listen("--legacy-files", flags.LegacyFiles, nil); err != nil {
		return nil, err
	}
	if f.tlsListener, err = listen("--legacy-tls", flags.LegacyTLS, nil); err != nil {
		return nil, err
	}
	if f.tlsListener != nil && live == nil {
		f.tlsListener.Close()
		return nil, errors.New("--legacy-tls: needs --tls-cert and --tls-key")
	}
	if f.tlsListener != nil {
		// The gateway bounds its connections itself.
		guarded := netguard.NewListener(f.tlsListener, netguard.Options{
			Limits: netguard.Limits{Total: math.MaxInt}, Name: "original protocols over TLS", Log: stderr, WriteTimeout: sendTimeout,
		})
		f.tlsListener = tlsconn.NewListener(guarded, live.Config())
	}
	f.adminListener, err = listen("--admin", flags.Admin, flags.adminConsent())
	if err == nil && f.adminListener != nil {
		f.adminListener = netguard.NewListener(f.adminListener, netguard.Options{
			Limits: netguard.Limits{Total: adminConnections}, Name: "admin", Log: stderr,
		})
	}
	return f, err
}

// frontOptions are what a front needs of its command.
type frontOptions struct {
	limits   netguard.Limits // of the connections of the original protocols
	log      *slog.Logger    // for the gateway's lines
	registry *prometheus.Registry
	healthy  func() bool            // whether the program as a whole is
	subjects func() []admin.Subject // the health of its parts; nil: none
	// authorize accepts the token of an administrator; nil: none is needed.
	authorize func(token string) error
}

// connect connects the front to the services behind channel.
func (f *front) connect(channel grpc.ClientConnInterface, o frontOptions) {
	f.gateway = legacytcp.New(legacytcp.Config{
		Numbers:         numbersv1.NewNumberServiceClient(channel),
		Files:           filesv1.NewFileServiceClient(channel),
		Logger:          o.log,
		Metrics:         metrics.NewGateway(o.registry),
		Allow:           f.flags.LegacyAllow,
		TrustedNetworks: f.flags.TrustedNetworks,
		NotFound:        f.flags.LegacyNotFound,
		BareReplies:     f.flags.LegacyBareReplies,
		Limits: legacytcp.Limits{
			MaxConns:           o.limits.Total,
			MaxConnsPerAddress: o.limits.PerAddress,
			ReportRate:         f.flags.ReportRate,
		},
	})
	f.admin = admin.New(admin.Options{
		Registry:    o.registry,
		Healthy:     o.healthy,
		Subjects:    o.subjects,
		Authorize:   o.authorize,
		CommandLine: commandLineRedacted(),
	})
}

// serve serves until shutdown.
func (f *front) serve(doors *errgroup.Group) {
	if l := f.legacyListener; l != nil {
		doors.Go(func() error { return f.gateway.Serve(l, legacytcp.Both) })
		announce(f.stderr, "original protocols", l)
	}
	if l := f.filesListener; l != nil {
		doors.Go(func() error { return f.gateway.Serve(l, legacytcp.FilesOnly) })
		announce(f.stderr, "original file protocol", l)
	}
	if l := f.tlsListener; l != nil {
		doors.Go(func() error { return f.gateway.Serve(l, legacytcp.Both) })
		announce(f.stderr, "original protocols over TLS", l)
	}
	if l := f.adminListener; l != nil {
		doors.Go(func() error { return f.admin.Serve(l) })
		announce(f.stderr, "metrics, health and profiles", l)
	}
}

// shutdown lets connections end until ctx is done, and then closes them, which is an
// error. It does not wait for those that hang.
func (f *front) shutdown(ctx context.Context) error {
	err := within(ctx, func() error { return f.gateway.Shutdown(ctx) })
	f.admin.Shutdown(ctx)
	return err
}

// close releases the ports that have not been served.
func (f *front) close() {
	for _, l := range []net.Listener{f.legacyListener, f.filesListener, f.tlsListener, f.adminListener} {
		if l != nil {
			l.Close()
		}
	}
}

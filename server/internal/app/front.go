package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/admin"
	"example.com/parity/server/internal/netguard"
)

// front is what both commands have: the doors of the original protocols, and that
// of the operators.
type front struct {
	cfg      *commonConfig
	stderr   *slog.Logger // what concerns who runs the program
	registry *prometheus.Registry

	descriptors descriptors // what each door may have
	sayShare    func()      // says so, if that is less than it was configured to have

	gateway *legacytcp.Gateway
	admin   *admin.Server

	legacyListener, legacyFilesListener, adminListener net.Listener // nil: off
}

func newFront(cfg *commonConfig, stderr io.Writer) *front {
	return &front{cfg: cfg, stderr: slog.New(slog.NewTextHandler(stderr, nil)), registry: newRegistry()}
}

// share divides the descriptors that this process may have. grpc is what that door is
// configured to have.
func (f *front) share(grpc netguard.Limits, files int) {
	wanted := descriptors{files: files, grpc: grpc}
	if f.cfg.Legacy != "" || f.cfg.LegacyFiles != "" {
		wanted.legacy = netguard.Limits{Total: f.cfg.LegacyConnections, PerAddress: f.cfg.LegacyConnectionsPerAddress}
	}
	limit := int(min(descriptorLimit(), math.MaxInt32))
	f.descriptors = wanted.fit(limit)
	f.sayShare = func() { f.descriptors.sayFit(wanted, limit, f.stderr) }
}

// listen takes the ports.
func (f *front) listen() (err error) {
	if f.legacyListener, err = listen("--legacy", f.cfg.Legacy); err != nil {
		return err
	}
	if f.legacyFilesListener, err = listen("--legacy-files", f.cfg.LegacyFiles); err != nil {
		return err
	}
	f.adminListener, err = listen("--admin", f.cfg.Admin)
	if err == nil && f.adminListener != nil {
		f.adminListener = netguard.NewListener(f.adminListener, netguard.Options{
			Limits: netguard.Limits{Total: adminConnections}, Name: "admin", Log: f.stderr,
		})
	}
	return err
}

// listen takes a port, unless the address is empty.
func listen(flag, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := listenConfig.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// openDoors makes the doors to the services behind channel. What operators are told
// of its health is healthy for the whole and parts, if there are any.
func (f *front) openDoors(channel grpc.ClientConnInterface, log *slog.Logger, healthy func() bool, parts func() []admin.Subject) {
	f.gateway = legacytcp.New(legacytcp.Config{
		Numbers:         numbersv1.NewNumberServiceClient(channel),
		Files:           filesv1.NewFileServiceClient(channel),
		Logger:          log,
		Metrics:         newGatewayMetrics(f.registry),
		Allow:           f.cfg.LegacyAllow,
		TrustedNetworks: f.cfg.TrustedNetworks,
		NotFound:        f.cfg.LegacyNotFound,
		BareReplies:     f.cfg.LegacyBareReplies,
		Limits: legacytcp.Limits{
			MaxConns:           f.descriptors.legacy.Total,
			MaxConnsPerAddress: f.descriptors.legacy.PerAddress,
			ReportRate:         f.cfg.ReportRate,
		},
	})
	f.admin = admin.New(admin.Options{Registry: f.registry, Healthy: healthy, Subjects: parts, CommandLine: commandLineRedacted()})
}

// serve serves until shutdown.
func (f *front) serve(doors *errgroup.Group) {
	f.sayShare()
	if l := f.legacyListener; l != nil {
		doors.Go(func() error { return f.gateway.Serve(l, legacytcp.Both) })
		f.announce("original protocols", l)
	}
	if l := f.legacyFilesListener; l != nil {
		doors.Go(func() error { return f.gateway.Serve(l, legacytcp.FilesOnly) })
		f.announce("original file protocol", l)
	}
	if l := f.adminListener; l != nil {
		doors.Go(func() error { return f.admin.Serve(l) })
		f.announce("metrics, health and profiles", l)
	}
}

func (f *front) announce(what string, l net.Listener) {
	f.stderr.Info("serving "+what, "address", l.Addr().String())
}

// shutdown lets what is under way end until ctx is done, and then cuts it off,
// which is an error. What does not notice that is left behind.
func (f *front) shutdown(ctx context.Context) error {
	err := within(ctx, func() error { return f.gateway.Shutdown(ctx) })
	f.admin.Shutdown(ctx)
	return err
}

// close gives up the ports, where they have not been served.
func (f *front) close() {
	for _, l := range []net.Listener{f.legacyListener, f.legacyFilesListener, f.adminListener} {
		if l != nil {
			l.Close()
		}
	}
}

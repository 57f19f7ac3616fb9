package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tlsfiles"
	"example.com/parity/server/internal/auth"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/files"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/inproc"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/metrics"
	"example.com/parity/server/internal/numbers"
	"example.com/parity/server/internal/ownfiles"
	"example.com/parity/server/internal/register"
)

// server is the serve command with everything open: its files, its services, its
// doors.
type server struct {
	flags       *serveCommand
	stderr      *slog.Logger // for the operator
	registry    *prometheus.Registry
	descriptors share

	tls     *tlsfiles.Live // nil: none
	auth    *auth.Auth     // nil: everybody may do everything
	own     *ownfiles.Set
	log     *messagelog.Log
	hangups chan os.Signal // SIGHUPs
	store   register.Store
	cache   *filecache.Cache
	numbers *numbers.Service
	health  *health.Server

	grpc         *grpcDoor
	grpcListener net.Listener
	front        *front
	channel      *inproc.Channel // from the front to the services

	drain    chan struct{} // closed when the shutdown begins
	shutdown shutdown
}

// open opens the parts of the program in the order in which they need each other. It
// takes all ports before any is served. On failure nothing stays open.
func open(ctx context.Context, flags *serveCommand, stderr io.Writer) (_ *server, err error) {
	s := &server{
		flags:    flags,
		stderr:   newOperatorLog(stderr),
		registry: metrics.NewRegistry(),
		hangups:  make(chan os.Signal, 1),
		drain:    make(chan struct{}),
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.descriptors = shareDescriptors(descriptors{files: openFiles, grpc: flags.grpcLimits(), legacy: flags.legacyLimits()})
	if s.tls, err = flags.openTLS(s.stderr); err != nil {
		return nil, err
	}
	if s.auth, err = flags.openAuth(s.stderr); err != nil {
		return nil, fmt.Errorf("--auth: %w", err)
	}
	s.own = ownfiles.New(flags.LogFile, flags.ownPaths()...)
	s.cache, err = filecache.Open(flags.Directory, filecache.Options{
		Capacity:  int64(flags.CacheSize),
		Hidden:    s.own.Hides,
		Selection: flags.selection(),
		MaxOpen:   s.descriptors.granted.files,
	})
	if err != nil {
		return nil, fmt.Errorf("DIRECTORY: %w", err)
	}
	flags.warnOfOwnFiles(s.stderr)
	signal.Notify(s.hangups, syscall.SIGHUP)
	s.log, err = messagelog.Open(messagelog.Options{
		Path:      flags.LogFile,
		Format:    flags.LogFormat,
		MaxSize:   int64(flags.LogMaxSize),
		Keep:      flags.LogKeep,
		CallsOnly: !flags.LogMessages,
		Stderr:    stderr,
	})
	if err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	go s.reopenLog()
	if s.store, err = register.Open(ctx, flags.State, s.stderr); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if err := checkInherited("--grpc", "--legacy", "--legacy-files", "--legacy-tls", "--admin"); err != nil {
		return nil, err
	}
	if s.grpcListener, err = listen("--grpc", flags.GRPC, flags.grpcConsent()); err != nil {
		return nil, err
	}
	if s.front, err = openFront(&flags.commonFlags, s.tls, s.stderr); err != nil {
		return nil, err
	}
	return s, s.openServices()
}

// openServices creates the services, once, and the doors to them.
func (s *server) openServices() error {
	s.numbers = numbers.New(s.store, numbers.Options{
		MaxClientID:       s.flags.MaxClientID,
		SessionsPerClient: s.flags.SessionsPerClient,
		ReportRate:        s.flags.ReportRate,
		Log:               s.log.Logger,
	})
	replies := flow.NewAccount(int64(s.flags.ReplyBuffer))
	files := files.New(s.cache, replies)

	s.registry.MustRegister(metrics.NewCache(s.cache), metrics.NewRegister(s.store), metrics.NewLog(s.log),
		metrics.NewCertificates(map[string]*tlsfiles.Live{"server": s.tls}))
	metrics.WatchCommits(s.registry, s.store)
	chain := newInterceptors(s.flags, s.auth, s.log, s.registry)
	s.channel = inproc.NewChannel(chain.unary, chain.stream)
	var err error
	s.grpc, err = newGRPCDoor(s.flags, grpcDoorOptions{
		limits:       s.descriptors.granted.grpc,
		interceptors: chain,
		tls:          s.tls,
		replies:      replies,
		metrics:      metrics.NewGRPCDoor(s.registry, replies),
		log:          s.stderr,
	})
	if err != nil {
		return err
	}
	s.health = health.NewServer()
	for _, door := range []grpc.ServiceRegistrar{s.grpc, s.channel} {
		numbersv1.RegisterNumberServiceServer(door, s.numbers)
		filesv1.RegisterFileServiceServer(door, files)
	}
	grpc_health_v1.RegisterHealthServer(s.grpc, &healthServer{s.health, s.drain})
	reflection.Register(s.grpc) // v1 and v1alpha
	for _, subject := range s.subjects() {
		s.health.SetServingStatus(subject.service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	s.front.connect(s.channel, frontOptions{
		limits:    s.descriptors.granted.legacy,
		log:       s.log.Logger,
		registry:  s.registry,
		healthy:   s.isHealthy,
		subjects:  s.partsHealth,
		authorize: s.adminAuth(),
	})
	return nil
}

// adminAuth returns what authorizes requests to --admin: those from this machine need no
// token.
func (s *server) adminAuth() func(token string) error {
	if l := s.front.adminListener; s.auth == nil || l == nil || !reachable(l) {
		return nil
	}
	return s.auth.CheckAdmin
}

// serve serves until ctx is done or a door fails, and then shuts down. It returns nil
// if ctx ended it.
func (s *server) serve(ctx context.Context) error {
	doors, ctx := errgroup.WithContext(ctx)
	doors.Go(func() error {
		err := s.grpc.Serve(s.grpcListener)
		if errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
			err = nil
		}
		return err
	})
	s.flags.announceFiles(s.stderr)
	announce(s.stderr, "gRPC", s.grpcListener)
	s.descriptors.warn(s.stderr)
	s.front.serve(doors)
	doors.Go(func() error { return s.watchHealth(ctx) })
	if s.tls != nil {
		follow(ctx, doors, s.tls)
	}
	if s.auth != nil {
		follow(ctx, doors, s.auth)
	}
	notify(daemon.SdNotifyReady)
	<-ctx.Done()
	notify(daemon.SdNotifyStopping)
	return s.end(doors)
}

// reopenLog opens a new log file at every SIGHUP, for programs that rotate logs by
// renaming them, until hangups is closed.
func (s *server) reopenLog() {
	for range s.hangups {
		s.log.Reopen()
		s.own.Scan()
	}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/files"
	"example.com/parity/server/internal/flow"
	"example.com/parity/server/internal/inproc"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/numbers"
	"example.com/parity/server/internal/ownfiles"
	"example.com/parity/server/internal/register"
)

func (c *serveConfig) run(ctx context.Context, stderr io.Writer) error {
	var s *server
	err := within(ctx, func() (err error) {
		s, err = open(ctx, c, stderr)
		return err
	})
	switch {
	case errors.Is(err, errHangs): // and there is nothing yet to be saved
		return fmt.Errorf("told to stop while starting, which %w", err)
	case errors.Is(err, context.Canceled): // while it waited for its register
		return nil
	case err != nil:
		return err
	}
	return s.serve(ctx)
}

// server is the serve command with everything open: its files, its services, its
// doors.
type server struct {
	cfg *serveConfig
	*front

	own     *ownfiles.Set
	log     *messagelog.Log
	hangups chan os.Signal // SIGHUPs
	store   register.Store
	cache   *filecache.Cache
	numbers *numbers.Service
	health  *health.Server
	grpc    *grpcDoor
	channel *inproc.Channel // to the same services, for the gateway
	drain   chan struct{}   // closed when the program is told to stop
	ending  ending

	grpcListener net.Listener
}

// open opens the program in the order in which its parts need each other. All
// ports are taken before anything is served. On failure nothing stays open.
func open(ctx context.Context, cfg *serveConfig, stderr io.Writer) (_ *server, err error) {
	s := &server{
		cfg:     cfg,
		front:   newFront(&cfg.commonConfig, stderr),
		hangups: make(chan os.Signal, 1),
		drain:   make(chan struct{}),
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.share(grpcLimits(cfg), openFiles)
	s.openOwnFiles()
	s.cache, err = filecache.Open(cfg.Directory, filecache.Options{
		Capacity: int64(cfg.CacheSize),
		Hidden:   s.own.Hides,
		MaxOpen:  s.descriptors.files,
	})
	if err != nil {
		return nil, fmt.Errorf("DIRECTORY: %w", err)
	}
	s.warnOfOwnFiles()
	signal.Notify(s.hangups, syscall.SIGHUP)
	s.log, err = messagelog.Open(messagelog.Options{
		Path:      cfg.LogFile,
		Format:    cfg.LogFormat,
		MaxSize:   int64(cfg.LogMaxSize),
		Keep:      cfg.LogKeep,
		CallsOnly: !cfg.LogMessages,
		Stderr:    stderr,
	})
	if err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	go s.reopenLog()
	if s.store, err = register.Open(ctx, cfg.State, s.stderr); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if s.grpcListener, err = listen("--grpc", cfg.GRPC); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, s.openServices()
}

// openServices makes the services, once, and both doors to them.
func (s *server) openServices() error {
	s.numbers = numbers.New(s.store, numbers.Options{
		MaxClientID:       s.cfg.MaxClientID,
		SessionsPerClient: s.cfg.SessionsPerClient,
		ReportRate:        s.cfg.ReportRate,
		Log:               s.log.Logger,
	})
	replies := flow.NewAccount(int64(s.cfg.ReplyBuffer))
	files := files.New(s.cache, replies)

	s.registry.MustRegister(cacheCollector{s.cache}, registerCollector{s.store}, lostLogBytes(s.log))
	chain := newInterceptors(s.cfg, s.log, s.registry)
	s.channel = inproc.NewChannel(chain.unary, chain.stream)
	var err error
	if s.grpc, err = newGRPCDoor(s.cfg, s.descriptors.grpc, chain, s.drain, replies, s.stderr, newDoorMetrics(s.registry, replies)); err != nil {
		return err
	}
	s.health = health.NewServer()
	for _, door := range []grpc.ServiceRegistrar{s.grpc, s.channel} {
		numbersv1.RegisterNumberServiceServer(door, s.numbers)
		filesv1.RegisterFileServiceServer(door, files)
	}
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc) // v1 and v1alpha
	for _, subject := range s.subjects() {
		s.health.SetServingStatus(subject.service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	s.openDoors(s.channel, s.log.Logger, s.isHealthy, s.healthReport)
	return nil
}

// serve serves until ctx is done or a door fails, and then shuts down. It returns
// nil if it was told to stop.
func (s *server) serve(ctx context.Context) error {
	doors, ctx := errgroup.WithContext(ctx)
	doors.Go(func() error {
		err := s.grpc.Serve(s.grpcListener)
		if errors.Is(err, grpc.ErrServerStopped) { // told to stop before it began
			err = nil
		}
		return err
	})
	s.announce("gRPC", s.grpcListener)
	s.front.serve(doors)
	doors.Go(func() error { return s.watchHealth(ctx) })
	<-ctx.Done()
	return s.end(doors)
}

// reopenLog goes on in a new log file at every SIGHUP, for programs that move log
// files away, until hangups is closed.
func (s *server) reopenLog() {
	for range s.hangups {
		s.log.Reopen()
		s.own.Look()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
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
	"example.com/parity/server/internal/inproc"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/numbers"
	"example.com/parity/server/internal/ownfiles"
	"example.com/parity/server/internal/register"
)

// run does what the command line says until it is done or ctx is.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cmd, err := parse(args, stdout, stderr)
	if cmd == nil || err != nil {
		return err
	}
	return cmd.run(ctx, stderr)
}

func (c *serveConfig) run(ctx context.Context, stderr io.Writer) error {
	var s *server
	err := within(ctx, func() (err error) {
		s, err = open(ctx, c, stderr)
		return err
	})
	switch {
	case errors.Is(err, errHangs): // and there is nothing yet to be saved
		return fmt.Errorf("told to stop while starting, which %w", err)
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

	root    *os.Root
	own     *ownfiles.Set
	log     *messagelog.Log
	hangups chan os.Signal // SIGHUPs
	store   register.Store
	cache   *filecache.Cache
	numbers *numbers.Service
	health  *health.Server
	grpc    *grpc.Server
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
	if s.root, err = openDirectory(cfg.Directory); err != nil {
		return nil, fmt.Errorf("DIRECTORY: %w", err)
	}
	s.openOwnFiles()
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
	hidden := s.own.Hides
	s.cache = filecache.New(s.root, filecache.Options{Capacity: int64(s.cfg.CacheSize), Hidden: hidden})
	s.numbers = numbers.New(s.store, s.cfg.MaxClientID, s.log.Logger)
	files := files.New(s.root, s.cache, hidden)

	s.registry.MustRegister(cacheCollector{s.cache}, registerCollector{s.store}, lostLogBytes(s.log))
	chain := newInterceptors(s.cfg, s.log, s.registry)
	s.channel = inproc.NewChannel(chain.unary, chain.stream)
	var err error
	if s.grpc, err = newGRPCServer(s.cfg, chain, s.drain); err != nil {
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

// resolve returns the absolute path of a file, free of symbolic links.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
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

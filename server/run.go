package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/legacytcp"
	"example.com/parity/server/internal/filecache"
	"example.com/parity/server/internal/files"
	"example.com/parity/server/internal/inproc"
	"example.com/parity/server/internal/messagelog"
	"example.com/parity/server/internal/numbers"
	"example.com/parity/server/internal/register"
)

// run does what the command line says until it is done or ctx is.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stdout, stderr)
	if cfg == nil || err != nil {
		return err
	}
	s, err := open(cfg, stderr)
	if err != nil {
		return err
	}
	return s.serve(ctx)
}

// server is the program with everything open: its files, its services, its doors.
type server struct {
	cfg    *config
	stderr *slog.Logger // what concerns who runs the program

	root    *os.Root
	log     *messagelog.Log
	store   register.Store
	cache   *filecache.Cache
	numbers *numbers.Service
	health  *health.Server
	grpc    *grpc.Server
	channel *inprocgrpc.Channel // to the same services, for the gateway
	gateway *legacytcp.Gateway
	drain   chan struct{} // closed when the program is told to stop

	grpcListener, legacyListener, legacyFilesListener net.Listener // nil: off
}

// open opens the program in the order in which its parts need each other. All
// ports are taken before anything is served. On failure nothing stays open.
func open(cfg *config, stderr io.Writer) (_ *server, err error) {
	s := &server{cfg: cfg, stderr: slog.New(slog.NewTextHandler(stderr, nil)), drain: make(chan struct{})}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.root, err = openDirectory(cfg.Directory); err != nil {
		return nil, fmt.Errorf("DIRECTORY: %w", err)
	}
	if s.log, err = messagelog.Open(cfg.LogFile, cfg.LogFormat, stderr); err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	s.store = register.NewMemory()
	if s.grpcListener, err = listen("--grpc", cfg.GRPC); err != nil {
		return nil, err
	}
	if s.legacyListener, err = listen("--legacy", cfg.Legacy); err != nil {
		return nil, err
	}
	if s.legacyFilesListener, err = listen("--legacy-files", cfg.LegacyFiles); err != nil {
		return nil, err
	}
	return s, s.openServices()
}

func listen(flag, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

// openServices makes the services, once, and both doors to them.
func (s *server) openServices() error {
	hidden, err := s.ownFiles()
	if err != nil {
		return err
	}
	s.cache = filecache.New(s.root, filecache.Options{Capacity: int64(s.cfg.CacheSize), Hidden: hidden})
	s.numbers = numbers.New(s.store, s.cfg.MaxClientID, s.log.Logger)
	files := files.New(s.root, s.cache, hidden)

	chain := newInterceptors(s.log)
	s.channel = inproc.NewChannel(chain.unary, chain.stream)
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
	for _, service := range []string{"", numbersv1.NumberService_ServiceDesc.ServiceName, filesv1.FileService_ServiceDesc.ServiceName} {
		s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	s.gateway = legacytcp.New(legacytcp.Config{
		Numbers:     numbersv1.NewNumberServiceClient(s.channel),
		Files:       filesv1.NewFileServiceClient(s.channel),
		Logger:      s.log.Logger,
		Allow:       s.cfg.LegacyAllow,
		NotFound:    s.cfg.LegacyNotFound,
		BareReplies: s.cfg.LegacyBareReplies,
	})
	return nil
}

// ownFiles returns what tells the program's own files, which are never served even
// where they lie in the served directory.
func (s *server) ownFiles() (hidden func(path string) bool, err error) {
	log, err := filepath.Abs(s.cfg.LogFile)
	if err == nil {
		log, err = filepath.EvalSymlinks(log)
	}
	if err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	return func(path string) bool { return messagelog.Owns(log, path) }, nil
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
	if s.legacyListener != nil {
		doors.Go(func() error { return s.gateway.Serve(s.legacyListener, legacytcp.Both) })
		s.announce("original protocols", s.legacyListener)
	}
	if s.legacyFilesListener != nil {
		doors.Go(func() error { return s.gateway.Serve(s.legacyFilesListener, legacytcp.FilesOnly) })
		s.announce("original file protocol", s.legacyFilesListener)
	}
	<-ctx.Done()
	s.stderr.Info("shutting down", "timeout", s.cfg.DrainTimeout)
	s.stop()
	return errors.Join(doors.Wait(), s.close())
}

func (s *server) announce(what string, l net.Listener) {
	s.stderr.Info("serving "+what, "address", l.Addr().String(), "directory", s.root.Name())
}

// stop ends what is being served, within the drain timeout:
//
//  1. Health says NOT_SERVING, so that balancers look elsewhere.
//  2. No door takes new connections or calls.
//  3. Calls may end; counting sessions and health watches, which would go on for
//     ever, are ended by the server once what they reported is durable.
//  4. At the timeout, the rest is cut off.
//
// What remains, writing out the register and the log, is close's.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	s.health.Shutdown()
	close(s.drain)

	var doors errgroup.Group
	doors.Go(func() error { return s.gateway.Shutdown(ctx) })
	doors.Go(func() error {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.grpc.GracefulStop()
		}()
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			s.grpc.Stop()
			<-ended
			return ctx.Err()
		}
	})
	s.numbers.Drain()
	if err := doors.Wait(); err != nil {
		s.stderr.Warn("calls were cut off", "cause", err)
	}
}

// close gives up whatever is open: the ports, then the register and the log, which
// take what the last calls left behind.
func (s *server) close() error {
	var errs []error
	for _, l := range []net.Listener{s.grpcListener, s.legacyListener, s.legacyFilesListener} {
		if l != nil {
			l.Close() // closed already where it was served
		}
	}
	if s.numbers != nil {
		s.numbers.Wait()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(errs...)
}

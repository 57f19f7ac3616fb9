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
	"slices"
	"syscall"
	"time"

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
	s, err := open(ctx, c, stderr)
	if err != nil {
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
	log     *messagelog.Log
	store   register.Store
	cache   *filecache.Cache
	numbers *numbers.Service
	health  *health.Server
	grpc    *grpcDoor
	channel *inproc.Channel // to the same services, for the gateway
	drain   chan struct{}   // closed when the program is told to stop

	grpcListener net.Listener
}

// open opens the program in the order in which its parts need each other. All
// ports are taken before anything is served. On failure nothing stays open.
func open(ctx context.Context, cfg *serveConfig, stderr io.Writer) (_ *server, err error) {
	s := &server{cfg: cfg, front: newFront(&cfg.commonConfig, stderr), drain: make(chan struct{})}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.root, err = openDirectory(cfg.Directory); err != nil {
		return nil, fmt.Errorf("DIRECTORY: %w", err)
	}
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
	hidden, err := s.ownFiles()
	if err != nil {
		return err
	}
	s.cache = filecache.New(s.root, filecache.Options{Capacity: int64(s.cfg.CacheSize), Hidden: hidden})
	s.numbers = numbers.New(s.store, s.cfg.MaxClientID, s.log.Logger)
	files := files.New(s.root, s.cache, hidden)

	s.registry.MustRegister(cacheCollector{s.cache}, registerCollector{s.store}, lostLogBytes(s.log))
	chain := newInterceptors(s.cfg, s.log, s.registry)
	s.share(grpcLimits(s.cfg), openFiles)
	replies := flow.NewAccount(int64(s.cfg.ReplyBuffer))
	s.channel = inproc.NewChannel(chain.unary, append(slices.Clip(chain.stream), replies.Stream))
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
	for _, service := range []string{"", numbersv1.NumberService_ServiceDesc.ServiceName, filesv1.FileService_ServiceDesc.ServiceName} {
		s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	s.openDoors(s.channel, s.log.Logger, s.isHealthy)
	return nil
}

// isHealthy reports whether the server as a whole is SERVING.
func (s *server) isHealthy() bool {
	resp, err := s.health.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	return err == nil && resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
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
	doors.Go(func() error { return s.reopenLog(ctx) })
	doors.Go(func() error { return s.watchStore(ctx) })
	<-ctx.Done()
	s.stop()
	return errors.Join(doors.Wait(), s.close())
}

// reopenLog goes on in a new log file at every SIGHUP, for programs that move log
// files away.
func (s *server) reopenLog(ctx context.Context) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			s.log.Reopen()
		case <-ctx.Done():
			return nil
		}
	}
}

// storeCheck is how often the register is asked how it does.
const storeCheck = time.Second

// watchStore says NOT_SERVING for the number service while the register is away.
// The files can be served all the same, so the server as a whole is SERVING.
func (s *server) watchStore(ctx context.Context) error {
	tick := time.NewTicker(storeCheck)
	defer tick.Stop()
	healthy := true
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if now := s.store.Health() == nil; now != healthy {
			healthy = now
			status := grpc_health_v1.HealthCheckResponse_SERVING
			if !healthy {
				status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
			}
			s.health.SetServingStatus(numbersv1.NumberService_ServiceDesc.ServiceName, status)
		}
	}
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
	s.stderr.Info("shutting down", "timeout", s.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	s.health.Shutdown()
	close(s.drain)

	var doors errgroup.Group
	doors.Go(func() error { return s.shutdown(ctx) })
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
	s.front.close()
	if s.grpcListener != nil {
		s.grpcListener.Close() // closed already where it was served
	}
	if s.channel != nil {
		s.channel.Close()
	}
	if s.numbers != nil {
		s.numbers.Wait()
	}
	var errs []error
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

package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"example.com/parity/server/internal/metrics"
	"example.com/parity/server/internal/netguard"
)

// grpcDoor is the gRPC server. It is two servers behind one listener, because grpc-go
// has one limit on the calls of a connection: one server for strangers, with a low
// limit, and one for trusted gateways, which have a call for each of their clients. The
// address of a connection decides which server gets it. Otherwise they are alike.
type grpcDoor struct {
	strangers *grpc.Server
	gateways  *grpc.Server // nil: no address is trusted
	trusted   []netip.Prefix

	limits  netguard.Limits
	metrics *metrics.GRPCDoor
	log     *slog.Logger
}

var _ reflection.GRPCServer = (*grpcDoor)(nil)

func (d *grpcDoor) servers() []*grpc.Server {
	if d.gateways == nil {
		return []*grpc.Server{d.strangers}
	}
	return []*grpc.Server{d.strangers, d.gateways}
}

// RegisterService implements grpc.ServiceRegistrar.
func (d *grpcDoor) RegisterService(desc *grpc.ServiceDesc, service any) {
	for _, s := range d.servers() {
		s.RegisterService(desc, service)
	}
}

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (d *grpcDoor) GetServiceInfo() map[string]grpc.ServiceInfo {
	return maps.Clone(d.strangers.GetServiceInfo())
}

// Serve serves the connections that l accepts until Stop or GracefulStop, and closes l.
// It returns nil then, or grpc.ErrServerStopped if one of them was called before.
func (d *grpcDoor) Serve(l net.Listener) error {
	guarded := netguard.NewListener(l, netguard.Options{
		Limits:       d.limits,
		Name:         "gRPC",
		Log:          d.log,
		Count:        d.metrics.Refused,
		WriteTimeout: sendTimeout,
	})
	d.metrics.Watch(guarded)
	in := &intake{Listener: guarded, stopped: make(chan struct{})}
	strangers := in.queue()
	var serving errgroup.Group
	serving.Go(func() error { return serveQueue(d.strangers, strangers) })
	gateways := strangers
	if d.gateways != nil {
		gateways = in.queue()
		serving.Go(func() error { return serveQueue(d.gateways, gateways) })
	}
	serving.Go(func() error {
		return in.run(func(nc net.Conn) *queue {
			if netguard.IsFrom(d.trusted, nc.RemoteAddr()) {
				return gateways
			}
			return strangers
		})
	})
	return serving.Wait()
}

// shutdown lets calls end until ctx is done, and then cuts them off, which is an error.
func (d *grpcDoor) shutdown(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.GracefulStop()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		d.Stop()
		<-ended
		return ctx.Err()
	}
}

// GracefulStop stops accepting and waits until all calls have ended.
func (d *grpcDoor) GracefulStop() { d.each((*grpc.Server).GracefulStop) }

// Stop ends all calls, including those that GracefulStop waits for.
func (d *grpcDoor) Stop() { d.each((*grpc.Server).Stop) }

func (d *grpcDoor) each(do func(*grpc.Server)) {
	var all sync.WaitGroup
	for _, s := range d.servers() {
		all.Go(func() { do(s) })
	}
	all.Wait()
}

// intake distributes the connections of one listener to several servers. It ends when
// the first of them ends.
type intake struct {
	net.Listener
	stopped  chan struct{}
	stopOnce sync.Once
}

func (in *intake) queue() *queue { return &queue{in, make(chan net.Conn)} }

// run accepts connections until the intake is stopped or its listener fails.
func (in *intake) run(choose func(net.Conn) *queue) error {
	defer in.stop()
	for {
		nc, err := in.Accept()
		if err != nil {
			select {
			case <-in.stopped:
				return nil
			default:
				return err
			}
		}
		select {
		case choose(nc).conns <- nc:
		case <-in.stopped:
			nc.Close()
			return nil
		}
	}
}

func (in *intake) stop() {
	in.stopOnce.Do(func() {
		close(in.stopped)
		_ = in.Close() // it may be closed already
	})
}

// queue is the listener of one server.
type queue struct {
	*intake
	conns chan net.Conn
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case nc := <-q.conns:
		return nc, nil
	case <-q.stopped:
		return nil, errIntakeStopped
	}
}

var errIntakeStopped = errors.New("no longer accepting")

// serveQueue serves the connections of q. The end of the intake is no error of this
// server: another server may have been stopped first, and intake.run returns the error
// of a listener that failed.
func serveQueue(s *grpc.Server, q *queue) error {
	if err := s.Serve(q); !errors.Is(err, errIntakeStopped) {
		return err
	}
	return nil
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.stop()
	return nil
}

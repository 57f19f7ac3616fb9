// Package fakeserver has small gRPC servers for tests of clients. They behave like
// Parity's, and fail where a test requires it.
package fakeserver

import (
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// Server serves fakes until the test ends.
type Server struct {
	Addr string
	// Health is the health service. Each of the fakes that are served is serving at first,
	// and so is the whole.
	Health *health.Server

	tb    testing.TB
	mu    sync.Mutex
	grpc  *grpc.Server
	conns map[net.Conn]bool
}

// Start serves those of the fakes that are not nil on an address of its own.
func Start(tb testing.TB, files *Files, numbers *Numbers, opts ...grpc.ServerOption) *Server {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Addr: lis.Addr().String(), Health: health.NewServer(), tb: tb, conns: map[net.Conn]bool{}}
	s.Serve(lis, files, numbers, opts...)
	return s
}

// Serve serves on lis, in place of what served before.
func (s *Server) Serve(lis net.Listener, files *Files, numbers *Numbers, opts ...grpc.ServerOption) {
	g := newServer(files, numbers, s.Health, opts)
	s.mu.Lock()
	s.grpc = g
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Serve(tracked{lis, s}); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			s.tb.Error(err)
		}
	}()
	s.tb.Cleanup(func() { g.Stop(); <-done })
}

func newServer(files *Files, numbers *Numbers, status *health.Server, opts []grpc.ServerOption) *grpc.Server {
	g := grpc.NewServer(opts...)
	healthv1.RegisterHealthServer(g, status)
	if files != nil {
		status.SetServingStatus(filesv1.FileService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
		filesv1.RegisterFileServiceServer(g, files)
	}
	if numbers != nil {
		status.SetServingStatus(numbersv1.NumberService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
		numbersv1.RegisterNumberServiceServer(g, numbers)
	}
	return g
}

// Example serves those of the fakes that are not nil until stop is called. It is for
// examples, which have no testing.TB, and panics if it cannot listen.
func Example(files *Files, numbers *Numbers) (addr string, stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	g := newServer(files, numbers, health.NewServer(), nil)
	go g.Serve(lis) //nolint:errcheck // it ends with Stop
	return lis.Addr().String(), g.Stop
}

// Stop ends all calls and stops listening.
func (s *Server) Stop() { s.grpc.Stop() }

// Restart serves at the same address after Stop.
func (s *Server) Restart(files *Files, numbers *Numbers) {
	s.tb.Helper()
	lis, err := net.Listen("tcp", s.Addr)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.Serve(lis, files, numbers)
}

// Cut breaks every connection, as a network failure does.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
		delete(s.conns, conn)
	}
}

// Dial returns a connection to addr without TLS, closed when the test ends.
func Dial(tb testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	conn, err := grpc.NewClient(addr, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// tracked is a listener whose connections the server can cut.
type tracked struct {
	net.Listener
	server *Server
}

func (t tracked) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err == nil {
		t.server.mu.Lock()
		t.server.conns[conn] = true
		t.server.mu.Unlock()
	}
	return conn, err
}

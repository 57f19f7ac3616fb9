package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"

	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

func cancelMidStream(ctx context.Context, d *driver) error {
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := d.files.Get(callCtx, &filesv1.GetRequest{Name: testfiles.BenchName})
	if err != nil {
		return err
	}
	if _, err := call.Recv(); err != nil {
		return err
	}
	cancel()
	for err == nil { // what had arrived before
		_, err = call.Recv()
	}
	if err := wantStatus(err, codes.Canceled, ""); err != nil {
		return err
	}
	_, err = d.numbers.Draw(ctx, &numbersv1.DrawRequest{})
	return inCase(err, "Draw on the same connection")
}

func deadline(ctx context.Context, d *driver) error {
	const after = 300 * time.Millisecond
	// Connecting is not what the deadline is for.
	if _, err := d.numbers.Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, after)
	defer cancel()
	s, _, err := d.open(ctx, d.id(idDeadline))
	if err != nil {
		return err
	}
	r, err := s.Recv()
	if err == nil {
		return fmt.Errorf("got {%v}, want nothing", r)
	}
	return wantStatus(err, codes.DeadlineExceeded, "")
}

// observer is a stats.Handler that notes how messages are compressed, by method.
type observer struct {
	mu       sync.Mutex
	request  map[string]string
	response map[string]string
}

var _ stats.Handler = (*observer)(nil)

type methodKey struct{}

func (o *observer) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, info.FullMethodName)
}

func (o *observer) HandleRPC(ctx context.Context, s stats.RPCStats) {
	method, _ := ctx.Value(methodKey{}).(string)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch s := s.(type) {
	case *stats.OutHeader:
		o.request[method] = s.Compression
	case *stats.InHeader:
		o.response[method] = s.Compression
	}
}

func (*observer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*observer) HandleConn(context.Context, stats.ConnStats)                       {}

func compressed(ctx context.Context, d *driver) error {
	seen := &observer{request: map[string]string{}, response: map[string]string{}}
	conn, err := d.dial(grpc.WithStatsHandler(seen), grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := numbersv1.NewNumberServiceClient(conn).Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		return inCase(err, "Draw")
	}
	files := filesv1.NewFileServiceClient(conn)
	if _, err := files.List(ctx, &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY}); err != nil {
		return inCase(err, "List")
	}
	f, err := (&driver{files: files}).fetch(ctx, &filesv1.GetRequest{Name: testfiles.LargeName})
	if err != nil {
		return inCase(err, "Get")
	}
	if err := f.wantWhole(testfiles.Bytes(0, testfiles.LargeSize)); err != nil {
		return inCase(err, "Get")
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, method := range []string{numbersv1.NumberService_Draw_FullMethodName, filesv1.FileService_List_FullMethodName, filesv1.FileService_Get_FullMethodName} {
		if seen.request[method] != gzip.Name {
			return fmt.Errorf("requests of %s have the compression %q, want %q", method, seen.request[method], gzip.Name)
		}
	}
	if got := seen.response[filesv1.FileService_Get_FullMethodName]; got != "" && got != "identity" {
		return fmt.Errorf("responses of Get have the compression %q, want none", got)
	}
	return nil
}

func withTLS(ctx context.Context, d *driver) error {
	if d.ca == "" {
		return errors.New("needs --tls-ca")
	}
	if _, err := d.numbers.Draw(ctx, &numbersv1.DrawRequest{}); err != nil {
		return err
	}
	// With the authorities of the system, of which the suite's is none.
	conn, err := grpc.NewClient(d.addr, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = numbersv1.NewNumberServiceClient(conn).Draw(ctx, &numbersv1.DrawRequest{}); err == nil {
		return errors.New("the call succeeded without the authority")
	}
	return wantStatus(err, codes.Unavailable, "")
}

func withToken(ctx context.Context, d *driver) error {
	if d.token == "" {
		return errors.New("needs --token")
	}
	_, err := d.numbers.Draw(ctx, &numbersv1.DrawRequest{})
	return err
}

func health(ctx context.Context, d *driver) error {
	client := grpc_health_v1.NewHealthClient(d.conn)
	for _, service := range []string{"", numbersv1.NumberService_ServiceDesc.ServiceName} {
		r, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil {
			return inCase(err, "health of %q", service)
		}
		if r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			return fmt.Errorf("health of %q: %v, want SERVING", service, r.GetStatus())
		}
	}
	return nil
}

func reflection(ctx context.Context, d *driver) error {
	call, err := reflectionv1.NewServerReflectionClient(d.conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	err = call.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return err
	}
	r, err := call.Recv()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{numbersv1.NumberService_ServiceDesc.ServiceName, filesv1.FileService_ServiceDesc.ServiceName} {
		if !slices.Contains(names, want) {
			return fmt.Errorf("reflection lists %q, want %q among them", names, want)
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	if _, err = call.Recv(); !errors.Is(err, io.EOF) {
		return errors.Join(err, errNoEnd)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"

	"example.com/parity/client/interop/gocases"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// observer is a stats.Handler that notes how messages are compressed, by method.
type observer struct {
	mu       sync.Mutex
	request  map[string]string
	response map[string]string
}

var _ stats.Handler = (*observer)(nil)

type methodKey struct{}

// TagRPC implements stats.Handler.
func (o *observer) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, info.FullMethodName)
}

// HandleRPC implements stats.Handler.
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

// TagConn implements stats.Handler.
func (*observer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (*observer) HandleConn(context.Context, stats.ConnStats) {}

// compressed runs other cases over a connection that compresses requests.
func compressed(ctx context.Context, d *driver) error {
	seen := &observer{request: map[string]string{}, response: map[string]string{}}
	conn, err := d.dial(grpc.WithStatsHandler(seen), grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		return err
	}
	defer conn.Close()
	suite := gocases.Suite{Conn: conn}
	for _, name := range []string{"draw_even", "list_prefix", "get_large"} {
		if _, err := suite.Run(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, method := range []string{
		numbersv1.NumberService_Draw_FullMethodName,
		filesv1.FileService_List_FullMethodName,
		filesv1.FileService_Get_FullMethodName,
	} {
		if seen.request[method] != gzip.Name {
			return fmt.Errorf("requests of %s have the compression %q, want %q", method, seen.request[method], gzip.Name)
		}
	}
	if got := seen.response[filesv1.FileService_Get_FullMethodName]; got != "" && got != "identity" {
		return fmt.Errorf("responses of Get have the compression %q, want none", got)
	}
	return nil
}

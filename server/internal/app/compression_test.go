package app

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// TestCompression checks that a client which compresses its requests gets compressed
// responses of all rpcs but Get.
func TestCompression(t *testing.T) {
	r := start(t)
	r.write(t, "f1m", content(1<<20))
	seen := &compressions{}
	cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)), grpc.WithStatsHandler(seen))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	files := filesv1.NewFileServiceClient(cc)
	if got, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: "f1m"}); err != nil || len(got) != 1<<20 {
		t.Errorf("Get: %d bytes, %v", len(got), err)
	}
	if got := seen.last(); got != encoding.Identity {
		t.Errorf("the responses of Get were compressed with %q", got)
	}
	if _, err := files.List(t.Context(), &filesv1.ListRequest{}); err != nil {
		t.Error(err)
	}
	if got := seen.last(); got != gzip.Name {
		t.Errorf("the response of List was compressed with %q, want %q", got, gzip.Name)
	}
}

// compressions is a stats.Handler that records how the server compresses responses.
type compressions struct {
	mu   sync.Mutex
	name string
}

func (c *compressions) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name
}

func (c *compressions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *compressions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *compressions) HandleConn(context.Context, stats.ConnStats)                       {}
func (c *compressions) HandleRPC(_ context.Context, s stats.RPCStats) {
	if header, ok := s.(*stats.InHeader); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.name = header.Compression
	}
}

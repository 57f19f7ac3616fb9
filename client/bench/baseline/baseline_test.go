package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/parity/client/bench"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBaselines puts the loads on the baselines, which must answer as Parity does.
func TestBaselines(t *testing.T) {
	directory := t.TempDir()
	names := []string{"empty", "small", "large"}
	for name, size := range map[string]int{"empty": 0, "small": 4 << 10, "large": 3<<20 + 1} {
		if err := os.WriteFile(filepath.Join(directory, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := load(directory)
	if err != nil {
		t.Fatal(err)
	}
	grpcAddr := serve(t, func(ctx context.Context, l net.Listener) error { return serveGRPC(ctx, l, all) })
	filesAddr := serve(t, func(ctx context.Context, l net.Listener) error {
		return serveTCP(ctx, l, func(nc net.Conn) { sendFile(nc, all) })
	})
	drawsAddr := serve(t, func(ctx context.Context, l net.Listener) error { return serveTCP(ctx, l, sendNumbers) })

	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conns := []grpc.ClientConnInterface{conn}
	for name, load := range map[string]bench.Load{
		"get":         &bench.Get{Conns: conns, Files: names},
		"draw":        &bench.Draw{Conns: conns},
		"count":       &bench.Count{Conns: conns},
		"legacy-get":  &bench.LegacyGet{Addr: filesAddr, Files: names},
		"legacy-draw": &bench.LegacyDraw{Addr: drawsAddr},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := bench.Run(t.Context(), load, bench.Options{Clients: 2, For: time.Second / 2})
			if err != nil {
				t.Fatal(err)
			}
			if r.Operations == 0 || r.Errors != 0 {
				t.Errorf("%d operations and %d errors %q, want some and none", r.Operations, r.Errors, r.Examples)
			}
		})
	}
}

// serve serves until the test ends, and returns where.
func serve(tb testing.TB, serve func(context.Context, net.Listener) error) (addr string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			tb.Errorf("serving ended in %v", err)
		}
	})
	return l.Addr().String()
}

package app

import (
	"io"
	"testing"

	"google.golang.org/grpc"
)

// TestServersStopInTurn: the shutdown succeeds when one of the two gRPC servers stops
// while the other one still accepts connections.
func TestServersStopInTurn(t *testing.T) {
	for name, first := range map[string]func(*grpcDoor) *grpc.Server{
		"strangers": func(d *grpcDoor) *grpc.Server { return d.strangers },
		"gateways":  func(d *grpcDoor) *grpc.Server { return d.gateways },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "--trusted-gateways=127.0.0.1/32")
			for _, from := range []string{"127.0.0.1", "127.0.0.2"} { // so that both servers accept
				nc := dialFrom(t, from, r.grpcListener.Addr().String())
				if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				nc.Close()
			}
			first(r.grpc).Stop()
			if err := r.stop(); err != nil {
				t.Errorf("serve = %v, want nil", err)
			}
		})
	}
}

package app

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/connectivity"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestIdleConnection: the server closes a connection without calls, which frees its
// place. The client reconnects for its next call.
func TestIdleConnection(t *testing.T) {
	defer func(d time.Duration) { maxConnectionIdle = d }(maxConnectionIdle)
	maxConnectionIdle = 100 * time.Millisecond
	r := start(t)

	nc, err := net.Dial("tcp", r.grpcListener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(nc, nc)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	goAway := false
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			break // closed
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			goAway = true
		case *http2.PingFrame:
			if err := framer.WritePing(true, f.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !goAway {
		t.Error("the connection was closed without GOAWAY")
	}

	cc := r.dial(t)
	draw := func() {
		t.Helper()
		if _, err := numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Error(err)
		}
	}
	draw()
	if !cc.WaitForStateChange(t.Context(), connectivity.Ready) {
		t.Fatal("the idle connection is still open")
	}
	draw()
}

package reconnect

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// TestOption has a connection refuse and close its peer's attempts. They come again
// and again, within the longest wait and its jitter.
func TestOption(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cc, err := grpc.NewClient(l.Addr().String(), Option(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	go func() { // connects again whenever an attempt has failed
		for state := cc.GetState(); state != connectivity.Shutdown; state = cc.GetState() {
			cc.Connect()
			cc.WaitForStateChange(t.Context(), state)
		}
	}()
	var last time.Time
	for attempts := range 6 {
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		if wait := time.Since(last); attempts > 0 && wait < firstWait/2 {
			t.Errorf("attempt %d came after %v, want %v or more", attempts, wait, firstWait/2)
		}
		last = time.Now()
	}
}

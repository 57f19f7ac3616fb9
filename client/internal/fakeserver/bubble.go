package fakeserver

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

// bubbleBuffer is how many bytes of one direction wait between client and server in a
// bubble.
const bubbleBuffer = 1 << 20

// Bubble runs test with a connection to a server in the same synctest bubble, so that time
// passes only where everything waits for it. register registers the server's services.
func Bubble(t *testing.T, register func(grpc.ServiceRegistrar), test func(*testing.T, grpc.ClientConnInterface)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		lis := bufconn.Listen(bubbleBuffer)
		server := grpc.NewServer()
		register(server)
		go server.Serve(lis) //nolint:errcheck // it ends with Stop
		conn := Dial(t, "passthrough:///bubble", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}))
		test(t, conn)
		conn.Close()
		server.Stop()
		synctest.Wait()
	})
}

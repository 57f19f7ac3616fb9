// Package tcptest has TCP servers for tests.
package tcptest

import (
	"net"
	"sync"
	"testing"
)

// Serve calls serve for each connection to a loopback port, on a goroutine of its own, and
// closes the connection when serve returns. When the test ends, the port is closed and Serve
// waits until every call of serve has returned: the test must have closed its connections.
func Serve(tb testing.TB, serve func(*net.TCPConn)) (addr string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var running sync.WaitGroup
	tb.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn))
			})
		}
	})
	return l.Addr().String()
}

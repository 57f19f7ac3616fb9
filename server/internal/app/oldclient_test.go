package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// oldClient is a connection to the original protocols.
type oldClient struct{ *net.TCPConn }

// dialOld connects to addr. The connection is closed at the end of the test.
func dialOld(t *testing.T, addr string) oldClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return oldClient{nc.(*net.TCPConn)}
}

func (c oldClient) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads the next bytes, which must be text and arrive in time.
func (c oldClient) expect(text string, within time.Duration) error {
	c.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); string(got[:n]) != text {
		return fmt.Errorf("got %q, %v; want %q", got[:n], err, text)
	}
	return nil
}

// leave half-closes the connection. The gateway answers with EOF when all reports are
// durable.
func (c oldClient) leave(t *testing.T) {
	t.Helper()
	c.CloseWrite()
	c.SetReadDeadline(time.Now().Add(faultPatience))
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Fatalf("read %q, %v after the half-close; want EOF", rest, err)
	}
}

// dialFrom is dialOld from a given local address.
func dialFrom(t *testing.T, from, addr string) oldClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := d.DialContext(t.Context(), "tcp", addr)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("cannot connect from %s", from)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return oldClient{nc.(*net.TCPConn)}
}

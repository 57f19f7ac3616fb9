package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/parity/internal/tcptest"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// legacyTLS is a server with the original protocols over TLS.
type legacyTLS struct {
	*running
	config *tls.Config // of clients
	dir    string      // of the certificate
}

// startLegacyTLS adds --legacy-tls to a server of dir.
func startLegacyTLS(tb testing.TB, flags ...string) *legacyTLS {
	tb.Helper()
	certDir := tb.TempDir()
	cert, certFile, keyFile := tlstest.New(tb, certDir)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	r := start(tb, append([]string{"--legacy-tls=127.0.0.1:0", "--tls-cert=" + certFile, "--tls-key=" + keyFile}, flags...)...)
	return &legacyTLS{r, &tls.Config{RootCAs: roots, ServerName: "localhost"}, certDir}
}

func (l *legacyTLS) dialTLS(tb testing.TB) *tls.Conn {
	tb.Helper()
	nc, err := tls.Dial("tcp", l.front.tlsListener.Addr().String(), l.config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return nc
}

// tunnel accepts plain connections and forwards them over TLS, as stunnel does before an
// original program. It returns its address.
func (l *legacyTLS) tunnel(tb testing.TB) string {
	tb.Helper()
	return tcptest.Serve(tb, l.forward)
}

// forward keeps EOF and reset apart in both directions.
func (l *legacyTLS) forward(client *net.TCPConn) {
	server, err := tls.Dial("tcp", l.front.tlsListener.Addr().String(), l.config)
	if err != nil {
		client.SetLinger(0)
		return
	}
	go func() {
		if _, err := io.Copy(server, client); err != nil {
			server.NetConn().(*net.TCPConn).SetLinger(0)
			server.NetConn().Close()
			return
		}
		server.CloseWrite()
	}()
	defer server.Close()
	if _, err := io.Copy(client, server); err != nil {
		client.SetLinger(0)
		return
	}
	client.CloseWrite()
	io.Copy(io.Discard, client) // until the client closes, so that no unread input resets it
}

// TestLegacyTLSScenarios runs the conversations of all doors through a tunnel.
func TestLegacyTLSScenarios(t *testing.T) {
	for name, script := range numberScenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLegacyTLS(t)
			holdNumbers(t, legacyDoor{numbers: l.tunnel(t)}, script)
		})
	}
	for name, script := range fileScenarios {
		t.Run(name, func(t *testing.T) {
			l := startLegacyTLS(t)
			for file, size := range fileSizes {
				if strings.Contains(script, file) {
					l.write(t, file, content(size))
				}
			}
			holdFiles(t, legacyDoor{files: l.tunnel(t)}, script)
		})
	}
}

// TestLegacyTLSIncomplete cuts a file short while it is sent. Its reader must not see a
// clean end, of TCP or of TLS.
func TestLegacyTLSIncomplete(t *testing.T) {
	l := startLegacyTLS(t, "--cache-size=1MiB")
	l.write(t, "large", make([]byte, 64<<20))
	nc := l.dialTLS(t)
	if _, err := io.WriteString(nc, "large "); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, nc, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(l.running.dir, "large"), 2<<20); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, nc)
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after %d bytes: %v, want a reset", n, err)
	}
}

// TestLegacyTLSPlain sends what is no TLS: the others go on.
func TestLegacyTLSPlain(t *testing.T) {
	l := startLegacyTLS(t)
	l.write(t, "f", []byte("content"))
	for _, text := range []string{"3748 odd ", "list of files", strings.Repeat("\xff", 1000), "GET / HTTP/1.1\r\n\r\n"} {
		nc, err := net.Dial("tcp", l.front.tlsListener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(nc, text)
		if answer, err := io.ReadAll(nc); bytes.Contains(answer, []byte("content")) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.20q is answered with %q, %v", text, answer, err)
		}
		nc.Close()
	}
	nc := l.dialTLS(t)
	io.WriteString(nc, "f ")
	if got, err := io.ReadAll(nc); err != nil || string(got) != "content" {
		t.Errorf("a client with TLS gets %q, %v", got, err)
	}
}

// TestLegacyTLSClientCA requires a certificate of old clients too.
func TestLegacyTLSClientCA(t *testing.T) {
	cert, certFile, _ := tlstest.New(t, t.TempDir())
	l := startLegacyTLS(t, "--tls-client-ca="+certFile)
	l.write(t, "f", []byte("content"))
	fetch := func() (string, error) {
		nc := l.dialTLS(t)
		io.WriteString(nc, "f ")
		got, err := io.ReadAll(nc)
		return string(got), err
	}
	if got, err := fetch(); err == nil {
		t.Errorf("without a certificate: %q", got)
	}
	l.config.Certificates = []tls.Certificate{cert}
	if got, err := fetch(); err != nil || got != "content" {
		t.Errorf("with a certificate: %q, %v", got, err)
	}
}

package explain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/explain"
	"example.com/parity/client/internal/fakeserver"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tcptest"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// draw makes one call and returns the record of its error. A config means TLS.
func draw(t *testing.T, addr string, config *tls.Config, opts ...grpc.DialOption) explain.Record {
	t.Helper()
	creds := insecure.NewCredentials()
	if config != nil {
		creds = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = numbersv1.NewNumberServiceClient(conn).Draw(ctx, &numbersv1.DrawRequest{})
	if err == nil {
		t.Fatalf("%s answers", addr)
	}
	return explain.Server{Addr: addr, TLS: config != nil}.Record(err, "")
}

// TestConnect makes each mistake that one can make with an address and TLS. It also tells
// when grpc-go changes the texts that the sentences are made of.
func TestConnect(t *testing.T) {
	dir := t.TempDir()
	cert, _, _ := tlstest.New(t, dir)
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	withTLS := func(config *tls.Config) string {
		config.Certificates = []tls.Certificate{cert}
		return fakeserver.Start(t, nil, new(fakeserver.Numbers), grpc.Creds(credentials.NewTLS(config))).Addr
	}
	plain := fakeserver.Start(t, nil, new(fakeserver.Numbers)).Addr
	secure := withTLS(&tls.Config{})
	mutual := withTLS(&tls.Config{ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert})
	strangers := withTLS(&tls.Config{ClientCAs: x509.NewCertPool(), ClientAuth: tls.RequireAndVerifyClientCert})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	webAddr := web.Listener.Addr().String()
	closing := tcptest.Serve(t, func(c *net.TCPConn) { io.CopyN(io.Discard, c, 24) })
	talking := tcptest.Serve(t, func(c *net.TCPConn) {
		io.WriteString(c, "File not found, and some more bytes than a frame of HTTP/2 begins with")
		io.Copy(io.Discard, c)
	})
	silent := tcptest.Serve(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	quick := grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 100 * time.Millisecond})
	socket := filepath.Join(dir, "none")

	for _, c := range []struct {
		what   string
		got    explain.Record
		want   string // ADDR is the address
		reason string
	}{
		{
			"nobody listens", draw(t, "localhost:1", nil),
			"cannot reach ADDR: connection refused (is the server running?)", explain.ReasonUnreachable,
		},
		{
			"no such name", draw(t, "host.invalid:1", nil),
			"cannot reach ADDR: no such host (is the name right?)", explain.ReasonUnreachable,
		},
		{
			"no such name, resolved while dialing", draw(t, "passthrough:///host.invalid:1", nil),
			"cannot reach ADDR: no such host (is the name right?)", explain.ReasonUnreachable,
		},
		{
			"no such port", draw(t, "localhost:99999", nil),
			"cannot reach ADDR: there is no such port", explain.ReasonUnreachable,
		},
		{
			"no such socket", draw(t, "unix:"+socket, nil),
			"cannot reach ADDR: no such file or directory (is the server running?)", explain.ReasonUnreachable,
		},
		{
			"no TLS with a server that does", draw(t, secure, nil),
			"cannot reach ADDR: it closed the connection at once (does it require TLS? then use --tls or --tls-ca; or does it have no room for another client?)", explain.ReasonUnreachable,
		},
		{
			"TLS with a server that does not", draw(t, plain, &tls.Config{}),
			"cannot reach ADDR: it does not speak TLS (leave out --tls and the other flags of TLS, or is the port another one?)", explain.ReasonTLS,
		},
		{
			"unknown authority", draw(t, secure, &tls.Config{}),
			"cannot reach ADDR: its certificate is of an unknown authority (name the authority's file with --tls-ca)", explain.ReasonTLS,
		},
		{
			"wrong name", draw(t, secure, &tls.Config{RootCAs: trusted, ServerName: "other.example"}),
			"cannot reach ADDR: its certificate is for localhost, not for other.example (use one of its names in --addr)", explain.ReasonTLS,
		},
		{
			"wrong IP address", draw(t, secure, &tls.Config{RootCAs: trusted, ServerName: "127.0.0.2"}),
			"cannot reach ADDR: its certificate is for 127.0.0.1, not for 127.0.0.2 (use one of its names in --addr)", explain.ReasonTLS,
		},
		{
			"expired", draw(t, secure, &tls.Config{RootCAs: trusted, Time: func() time.Time { return time.Now().Add(48 * time.Hour) }}),
			"cannot reach ADDR: its certificate has expired", explain.ReasonTLS,
		},
		{
			"no certificate of the client", draw(t, mutual, &tls.Config{RootCAs: trusted}),
			"cannot reach ADDR: it requires a certificate of the client (--tls-cert and --tls-key)", explain.ReasonTLS,
		},
		{
			"another certificate of the client", draw(t, strangers, &tls.Config{RootCAs: trusted, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}),
			"cannot reach ADDR: it does not accept the certificate of --tls-cert (unknown certificate authority)", explain.ReasonTLS,
		},
		{
			"a web server", draw(t, webAddr, nil),
			"ADDR is not a gRPC server (it answers with HTTP/1.1); is the port right?", explain.ReasonNotGRPC,
		},
		{
			"a server that closes", draw(t, closing, nil),
			"cannot reach ADDR: it closed the connection at once (does it require TLS? then use --tls or --tls-ca; or does it have no room for another client?)", explain.ReasonUnreachable,
		},
		{
			"a server that closes, with TLS", draw(t, closing, &tls.Config{}),
			"cannot reach ADDR: it closed the connection during the TLS handshake (does it speak TLS, and does it have room for another client?)", explain.ReasonTLS,
		},
		{
			"another protocol", draw(t, talking, nil),
			"ADDR is not a gRPC server, or one with TLS (--tls or --tls-ca); is the port right?", explain.ReasonNotGRPC,
		},
		{
			"silence", draw(t, silent, nil, quick),
			"ADDR accepts the connection but does not answer; is it a gRPC server, and without TLS?", explain.ReasonUnreachable,
		},
		{
			"silence, with TLS", draw(t, silent, &tls.Config{}, quick),
			"cannot reach ADDR: it does not answer the TLS handshake (does it speak TLS?)", explain.ReasonTLS,
		},
	} {
		if strings.Contains(c.want, "certificate of the client") || strings.Contains(c.want, "--tls-cert") {
			// The alert is lost if the server's RST overtakes it.
			if c.got.Message == "cannot reach "+c.got.Subject+": it closed the connection at once (does it require another certificate of the client, --tls-cert? or does it have no room for another client?)" {
				continue
			}
		}
		want := strings.ReplaceAll(c.want, "ADDR", c.got.Subject)
		if c.got.Message != want || c.got.Reason != c.reason || c.got.Code != "UNAVAILABLE" || c.got.Subject == "" {
			t.Errorf("%s:\n got %+v\nwant %s, %s", c.what, c.got, want, c.reason)
		}
	}
}

// TestNoRouteTexts: what other systems, and networks that a test does not have, say.
func TestNoRouteTexts(t *testing.T) {
	for text, want := range map[string]string{
		`connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:1: i/o timeout"`:                                                                                                "cannot reach h:1: no answer (is the address right, and does no firewall drop the packets?)",
		`connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:1: connect: no route to host"`:                                                                                  "cannot reach h:1: no route to host",
		`connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:1: connectex: No connection could be made because the target machine actively refused it."`:                     "cannot reach h:1: connection refused (is the server running?)",
		`name resolver error: dns: A record lookup error: lookup h on 10.0.0.1:53: server misbehaving`:                                                                                               "cannot reach h:1: the name could not be looked up: server misbehaving",
		`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: cannot validate certificate for ::1 because it doesn't contain any IP SANs"`: "cannot reach h:1: its certificate is not for this address (use a name of the certificate in --addr)",
		`closing transport due to: connection error: desc = "error reading from server: EOF", received prior goaway: code: NO_ERROR`:                                                                 "lost the connection to h:1",
		`error reading from server: read tcp 127.0.0.1:2->127.0.0.1:1: read: connection reset by peer`:                                                                                               "lost the connection to h:1: connection reset by peer",
		`write tcp 127.0.0.1:46490->127.0.0.1:45903: write: broken pipe`:                                                                                                                             "cannot reach h:1: it closed the connection at once (does it require TLS? then use --tls or --tls-ca; or does it have no room for another client?)",
		`keepalive ping failed to receive ACK within timeout`:                                                                                                                                        "lost the connection to h:1: nothing came from it for too long",
	} {
		if got := (explain.Server{Addr: "h:1"}).Error(status.Error(codes.Unavailable, text), ""); got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

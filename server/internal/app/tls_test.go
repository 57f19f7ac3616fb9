package app

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// TestTLS serves with a certificate and requires one of clients.
func TestTLS(t *testing.T) {
	certificate, certFile, keyFile := tlstest.New(t, t.TempDir())
	r := start(t, "--tls-cert="+certFile, "--tls-key="+keyFile, "--tls-client-ca="+certFile)
	draw := func(config *tls.Config) error {
		cc, err := grpc.NewClient(r.grpcListener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		_, err = numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{})
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	if err := draw(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}); err != nil {
		t.Errorf("Draw with a certificate: %v", err)
	}
	if err := draw(&tls.Config{RootCAs: roots}); status.Code(err) != codes.Unavailable {
		t.Errorf("Draw without a certificate: %v, want Unavailable", err)
	}
}

// TestUpstreamTLS runs a gateway in front of a server that requires a client certificate.
func TestUpstreamTLS(t *testing.T) {
	_, certFile, keyFile := tlstest.New(t, t.TempDir())
	r := start(t, "--tls-cert="+certFile, "--tls-key="+keyFile, "--tls-client-ca="+certFile)
	gateway := startGateway(t, "--upstream="+r.grpcListener.Addr().String(),
		"--upstream-ca="+certFile, "--upstream-cert="+certFile, "--upstream-key="+keyFile)
	holdNumbers(t, legacyDoor{numbers: gateway}, "7 connect 0; 7 report 12; 7 odd; 7 close; 7 connect 12; 7 close")
}

package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestTLS serves with a certificate and requires one of clients.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate := newCertificate(t, certFile, keyFile)
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

// newCertificate creates a self-signed certificate of 127.0.0.1, which is also its own
// authority, and writes it and its key to files.
func newCertificate(t *testing.T, certFile, keyFile string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// TestUpstreamTLS runs a gateway in front of a server that requires a client certificate.
func TestUpstreamTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	newCertificate(t, certFile, keyFile)
	r := start(t, "--tls-cert="+certFile, "--tls-key="+keyFile, "--tls-client-ca="+certFile)
	gateway := startGateway(t, "--upstream="+r.grpcListener.Addr().String(),
		"--upstream-ca="+certFile, "--upstream-cert="+certFile, "--upstream-key="+keyFile)
	holdNumbers(t, legacyDoor{numbers: gateway}, "7 connect 0; 7 report 12; 7 odd; 7 close; 7 connect 12; 7 close")
}

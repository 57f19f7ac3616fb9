package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"example.com/parity/client/internal/fakeserver"
)

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, certFile, keyFile := newCertificate(t, dir)
	clients := x509.NewCertPool()
	clients.AddCert(cert.Leaf)
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers), grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	both := fmt.Sprintf("--tls-ca %s --tls-cert %s --tls-key %s draw", certFile, certFile, keyFile)
	for args, want := range map[string]int{
		both:                             0,
		"--tls " + both:                  0,
		"draw":                           1, // plaintext
		"--tls draw":                     1, // a certificate that the system does not trust
		"--tls-ca " + certFile + " draw": 1, // no client certificate
	} {
		if status, _, errs := runProgram(t.Context(), "", append([]string{"--addr", server.Addr}, strings.Fields(args)...)...); status != want {
			t.Errorf("client %s: status %d, %q", args, status, errs)
		}
	}
	t.Setenv("PARITY_CLIENT_TLS_CA", certFile)
	t.Setenv("PARITY_CLIENT_TLS_CERT", certFile)
	t.Setenv("PARITY_CLIENT_TLS_KEY", keyFile)
	t.Setenv("PARITY_CLIENT_JSON", "true")
	if status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "draw", "odd"); status != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("from the environment: status %d, %q, %q", status, out, errs)
	}
}

// newCertificate makes a certificate for 127.0.0.1 that vouches for itself.
func newCertificate(t *testing.T, dir string) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(os.WriteFile(certFile, certPEM, 0o600))
	must(os.WriteFile(keyFile, keyPEM, 0o600))
	cert, err = tls.X509KeyPair(certPEM, keyPEM)
	must(err)
	return cert, certFile, keyFile
}

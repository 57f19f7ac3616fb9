package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"example.com/parity/client/internal/fakeserver"
	"example.com/parity/internal/tlsfiles/tlstest"
)

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, certFile, keyFile := tlstest.New(t, dir)
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

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

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

// TestToken sends a token with every call, but not in plain text over a network.
func TestToken(t *testing.T) {
	var got atomic.Value
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers), grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		got.Store(strings.Join(md["authorization"], ","))
		return next(ctx, req)
	}))
	client := func(status int, token string, args ...string) {
		t.Helper()
		got.Store("")
		if s, _, errs := runProgram(t.Context(), "", args...); s != status || got.Load() != token {
			t.Errorf("client %q: status %d, %q, the server got %q, want %d, %q", args, s, errs, got.Load(), status, token)
		}
	}
	client(0, "", "--addr", server.Addr, "draw")
	client(0, "Bearer secret", "--addr", server.Addr, "--token", "secret", "draw")
	client(2, "", "--addr", "far.invalid:1", "--token", "secret", "draw")
	client(2, "", "--addr", server.Addr, "--token", "two words", "draw")
	client(2, "", "--addr", server.Addr, "--token", "secret", "watch", "--metrics", "http://far.invalid/metrics")
	t.Setenv("PARITY_TOKEN", "of the environment")
	client(2, "", "--addr", server.Addr, "draw")
	t.Setenv("PARITY_TOKEN", "environment")
	client(0, "Bearer environment", "--addr", server.Addr, "draw")

	newConfig(t)
	client(0, "", "context", "add", "lab", "--addr", server.Addr, "--token", "secret")
	client(0, "Bearer secret", "--context", "lab", "draw")
	for _, args := range []string{"context list", "context show lab", "--json context list", "--json context show lab"} {
		if _, out, _ := runProgram(t.Context(), "", strings.Fields(args)...); strings.Contains(out, "secret") || !strings.Contains(out, "(hidden)") {
			t.Errorf("client %s prints %q", args, out)
		}
	}
}

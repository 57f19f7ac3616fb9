package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// TestCertificateChangedUnderLoad renews the certificate while calls come over new and old
// connections. None fails.
func TestCertificateChangedUnderLoad(t *testing.T) {
	certDir := t.TempDir()
	_, certFile, keyFile := tlstest.New(t, certDir)
	r := start(t, "--tls-cert="+certFile, "--tls-key="+keyFile)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls atomic.Int64
	var callers sync.WaitGroup
	dial := func() *grpc.ClientConn {
		cc, err := grpc.NewClient(r.grpcListener.Addr().String(),
			grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
		if err != nil {
			t.Error(err)
		}
		return cc
	}
	for _, reconnects := range []bool{false, true} {
		callers.Go(func() {
			cc := dial()
			for ctx.Err() == nil {
				if _, err := numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
					t.Errorf("Draw: %v", err)
				}
				calls.Add(1)
				if reconnects {
					cc.Close()
					cc = dial()
				}
			}
			cc.Close()
		})
	}
	for round := range 3 {
		before, err := serial(r.grpcListener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		renewed, _, _ := tlstest.New(t, certDir)
		if round == 1 { // at once, not at the next look
			if err := hangup(); errors.Is(err, errors.ErrUnsupported) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
		}
		want := renewed.Leaf.SerialNumber
		for end := time.Now().Add(10 * time.Second); ; {
			now, err := serial(r.grpcListener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if now.Cmp(want) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the serial number is %v, before it was %v; want %v", now, before, want)
			}
		}
	}
	cancel()
	callers.Wait()
	if calls.Load() < 10 {
		t.Errorf("only %d calls", calls.Load())
	}
}

// serial returns the serial number of a server's certificate.
func serial(addr string) (*big.Int, error) {
	nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0].SerialNumber, nil
}

package h2

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"example.com/parity/server/internal/h2/h2test"
)

// TestTLS watches frames inside TLS, and passes on the AuthInfo of the handshake.
func TestTLS(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	seen := make(chan *peer.Peer, 1)
	f := newFixtureOf(t, 1<<20, 300*time.Millisecond, &service{}, serverOptions{
		security: credentials.NewTLS(config),
		stream: func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			p, _ := peer.FromContext(ss.Context())
			seen <- p
			return next(srv, ss)
		},
	})
	nc, err := tls.Dial("tcp", f.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http2.NextProtoTLS}}) //nolint:gosec // the certificate is generated
	if err != nil {
		t.Fatal(err)
	}
	p, err := h2test.New(nc, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Read()
	id, err := p.Call(getMethod, get(1<<20, 0), false)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Await(id, patience, h2test.Ended); err != nil || codes.Code(r.Code) != codes.ResourceExhausted || r.Bytes > 1000 {
		t.Errorf("silent peer over TLS: %+v, %v", r, err)
	}
	from := <-seen
	info, ok := from.AuthInfo.(AuthInfo)
	if !ok || info.AuthType() != "tls" {
		t.Fatalf("AuthInfo is %T", from.AuthInfo)
	}
	if _, ok := info.AuthInfo.(credentials.TLSInfo); !ok {
		t.Errorf("the inner AuthInfo is %T", info.AuthInfo)
	}
	if from.Addr.String() != nc.LocalAddr().String() {
		t.Errorf("the peer is %v, not %v", from.Addr, nc.LocalAddr())
	}
}

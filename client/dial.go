package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
)

const (
	// window is how much a server may send ahead of what has been read, in bytes,
	// for a stream and for the connection: one segment of a download.
	window = 16 << 20
	// readBuffer is how much is read from the connection at once, in bytes: some
	// HTTP/2 frames of 16 KiB, and no more than the processor's cache holds.
	readBuffer = 128 << 10
	// callTimeout bounds the calls that are answered at once.
	callTimeout = 30 * time.Second
)

// reconnect makes a connection that was lost come back soon after its server.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// server says where the server is and how to speak to it.
type server struct {
	Addr    string `default:"localhost:50051" placeholder:"HOST:PORT" help:"The server: HOST:PORT (${default}) or a gRPC target such as unix:/path."`
	TLS     bool   `name:"tls" help:"Use TLS, and trust who the system trusts. Without it and the flags below there is none."`
	TLSCA   string `name:"tls-ca" placeholder:"FILE" help:"Use TLS, and trust these certificates (PEM) instead."`
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Use TLS, and show this certificate (PEM). Needs --tls-key."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The private key to --tls-cert (PEM)."`
}

// dial prepares a connection. It is made when it is first used.
func (s server) dial() (*grpc.ClientConn, error) {
	if !strings.Contains(s.Addr, ":/") {
		// Without a port gRPC would take that of HTTPS.
		if _, _, err := net.SplitHostPort(s.Addr); err != nil {
			return nil, usageError{fmt.Errorf("--addr: %w", err)}
		}
	}
	creds, err := s.credentials()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(s.Addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(reconnect),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(readBuffer),
		experimental.WithBufferPool(newFramePool()),
	)
	if err != nil {
		return nil, usageError{fmt.Errorf("--addr: %w", err)}
	}
	return conn, nil
}

func (s server) credentials() (credentials.TransportCredentials, error) {
	if !s.TLS && s.TLSCA == "" && s.TLSCert == "" && s.TLSKey == "" {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLSCA != "" {
		pem, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: no certificate in %q", s.TLSCA)
		}
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return nil, usageError{errors.New("--tls-cert and --tls-key need each other")}
	}
	if s.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

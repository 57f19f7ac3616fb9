package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"

	"example.com/parity/internal/bearer"
	"example.com/parity/internal/reconnect"
	"example.com/parity/internal/tlsfiles"
)

const (
	// window is the flow-control window of a stream and of the connection, in bytes: one
	// segment of a download.
	window = 16 << 20
	// readBuffer is the size of reads from the connection, in bytes: some HTTP/2 frames of
	// 16 KiB, and little enough for the processor's cache.
	readBuffer = 128 << 10
	// callTimeout bounds calls that the server answers at once.
	callTimeout = 30 * time.Second
)

// dialFlags say where the server is and how to connect to it.
type dialFlags struct {
	Addr    string `default:"localhost:50051" placeholder:"HOST:PORT" help:"The server: HOST:PORT (${default}) or a gRPC target such as unix:/path."`
	TLS     bool   `name:"tls" help:"Use TLS, verified by the system's authorities. Without this flag and those below there is no TLS."`
	TLSCA   string `name:"tls-ca" placeholder:"FILE" help:"Use TLS, verified by these authorities, PEM."`
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Use TLS, and present this certificate, PEM. Needs --tls-key."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"Private key of --tls-cert, PEM."`
	Token   string `env:"PARITY_CLIENT_TOKEN,PARITY_TOKEN" placeholder:"TOKEN" help:"Token to send with each call, over TLS or to this machine only. Put it into the variable: all users of the machine can read the command line."`
}

// dial returns a connection, which connects when it is first used.
func (f dialFlags) dial() (*grpc.ClientConn, error) {
	if !strings.Contains(f.Addr, ":/") {
		// Without a port gRPC would use that of HTTPS.
		if _, _, err := net.SplitHostPort(f.Addr); err != nil {
			return nil, usageError{fmt.Errorf("--addr: %w", err)}
		}
	}
	creds, err := f.credentials()
	if err != nil {
		return nil, err
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		reconnect.Option(),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(readBuffer),
		experimental.WithBufferPool(newFramePool()),
	}
	if f.Token != "" {
		token, err := bearer.Option(f.Token, f.Addr, f.withTLS())
		if err != nil {
			return nil, usageError{fmt.Errorf("--token: %w", err)}
		}
		opts = append(opts, token)
	}
	conn, err := grpc.NewClient(f.Addr, opts...)
	if err != nil {
		return nil, usageError{fmt.Errorf("--addr: %w", err)}
	}
	return conn, nil
}

func (f dialFlags) withTLS() bool {
	return f.TLS || f.TLSCA != "" || f.TLSCert != "" || f.TLSKey != ""
}

func (f dialFlags) credentials() (credentials.TransportCredentials, error) {
	if !f.withTLS() {
		return insecure.NewCredentials(), nil
	}
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return nil, usageError{errors.New("--tls-cert and --tls-key: set both or none")}
	}
	config, err := tlsfiles.Files{
		Cert: tlsfiles.File{Flag: "--tls-cert", Path: f.TLSCert},
		Key:  tlsfiles.File{Flag: "--tls-key", Path: f.TLSKey},
		CA:   tlsfiles.File{Flag: "--tls-ca", Path: f.TLSCA},
	}.Client()
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(config), nil
}

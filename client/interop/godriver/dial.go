package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/parity/internal/reconnect"
	"example.com/parity/internal/tlsfiles"
)

const (
	// window is the flow-control window of a stream and of the connection, in bytes, as
	// the Go client has it.
	window = 16 << 20
	// readBuffer is the size of reads from the connection, in bytes, as the Go client has
	// it.
	readBuffer = 128 << 10
)

// dial returns a connection, which connects when it is first used.
func (o options) dial(more ...grpc.DialOption) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if o.ca != "" {
		config, err := tlsfiles.Files{CA: tlsfiles.File{Flag: "--tls-ca", Path: o.ca}}.Client()
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(config)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		reconnect.Option(),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(readBuffer),
	}
	if o.token != "" {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer(o.token)))
	}
	return grpc.NewClient(o.addr, append(opts, more...)...)
}

// bearer is a token that is sent with each call. The suite's server is on loopback, so
// that it may be sent without TLS.
type bearer string

var _ credentials.PerRPCCredentials = bearer("")

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

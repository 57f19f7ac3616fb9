package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"

	"example.com/parity/client/download"
	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// checksum downloads over a connection on which every checksum is damaged.
func checksum(ctx context.Context, d *driver) error {
	conn, err := d.dial(grpc.WithStreamInterceptor(damageChecksums))
	if err != nil {
		return err
	}
	defer conn.Close()
	dir, err := os.MkdirTemp("", "parity-godriver-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	// The download repeats damaged segments for some seconds. Its first outage is enough.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var cause error
	_, err = download.Get(ctx, filesv1.NewFileServiceClient(conn), testfiles.SmallName, filepath.Join(dir, "copy"), download.Options{
		Outage: func(o download.Outage) {
			cause = o.Err
			cancel()
		},
	})
	if err == nil {
		return errors.New("the download succeeded in spite of wrong checksums")
	}
	if cause == nil || !strings.Contains(cause.Error(), "checksum") {
		return fmt.Errorf("the download ended with %w after the outage %v, which does not name the checksum", err, cause)
	}
	left, err := os.ReadDir(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("the download left %v", left)
	}
	return err
}

// damageChecksums is an interceptor.
func damageChecksums(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, conn, method, opts...)
	return damagedStream{s}, err
}

type damagedStream struct{ grpc.ClientStream }

func (s damagedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if r, ok := m.(*filesv1.GetResponse); ok && err == nil && r.Crc32C != nil {
		*r.Crc32C ^= 1
	}
	return err
}

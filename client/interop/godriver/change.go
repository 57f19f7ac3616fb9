package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"example.com/parity/client/download"
	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// getChanged rewrites a file during a call.
func getChanged(ctx context.Context, d *driver) error {
	name := testfiles.ChangingName(d.row)
	path := filepath.Join(d.dir, name)
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	call, err := d.files.Get(ctx, &filesv1.GetRequest{Name: name})
	if err != nil {
		return err
	}
	f := new(fetched)
	r, err := call.Recv()
	if err != nil {
		return err
	}
	if err := f.add(r); err != nil {
		return err
	}
	if err := rewrite(path, before); err != nil {
		return err
	}
	version := f.file.GetVersion()
	if f, err = f.rest(call); err != nil {
		return wantStatus(err, codes.Aborted, "FILE_CHANGED")
	}
	// The server had read the file before the change.
	if !bytes.Equal(f.data, before) {
		return errors.New("the call ended with success and data that was never the content of the file")
	}
	_, err = d.fetch(ctx, &filesv1.GetRequest{Name: name, Version: version})
	return wantStatus(err, codes.Aborted, "VERSION_MISMATCH")
}

// rewrite writes other content of the same size into a file, in place, so that all of its
// data changes under those who read it.
func rewrite(path string, before []byte) error {
	after := make([]byte, len(before))
	for i, b := range before {
		after[i] = ^b
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(after)
	return errors.Join(err, f.Close())
}

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

	// The download repeats damaged segments for some seconds. Its first notice is enough.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var notice string
	_, err = download.Get(ctx, filesv1.NewFileServiceClient(conn), testfiles.SmallName, filepath.Join(dir, "copy"), download.Options{
		Notice: func(line string) {
			notice = line
			cancel()
		},
	})
	if err == nil {
		return errors.New("the download succeeded in spite of wrong checksums")
	}
	if !strings.Contains(notice, "checksum") {
		return fmt.Errorf("the download ended with %w and the notice %q, which does not name the checksum", err, notice)
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

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"example.com/parity/client/download"
	"example.com/parity/client/interop/testfiles"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// getLarge gets the file with a single call, and with package download.
func getLarge(ctx context.Context, d *driver) error {
	if err := d.run(ctx, "get_large"); err != nil {
		return err
	}
	var content bytes.Buffer
	r, err := download.Copy(ctx, filesv1.NewFileServiceClient(d.conn), testfiles.LargeName, &content, download.Options{})
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if !r.Whole || !bytes.Equal(content.Bytes(), testfiles.Bytes(0, testfiles.LargeSize)) {
		return fmt.Errorf("download: %+v, want the content of the file, compared with the checksum of the whole", r)
	}
	return nil
}

func withTLS(ctx context.Context, d *driver) error {
	if d.ca == "" {
		return errors.New("needs --tls-ca")
	}
	if err := d.run(ctx, "draw_even"); err != nil {
		return err
	}
	// With the authorities of the system, of which the suite's is none.
	conn, err := grpc.NewClient(d.addr, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = numbersv1.NewNumberServiceClient(conn).Draw(ctx, &numbersv1.DrawRequest{})
	switch {
	case err == nil:
		return errors.New("the call succeeded without the authority")
	case status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "certificate"):
		return fmt.Errorf("without the authority: %w, want an error of the certificate", err)
	}
	return nil
}

func withToken(ctx context.Context, d *driver) error {
	if d.token == "" {
		return errors.New("needs --token")
	}
	return d.run(ctx, "draw_even")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/parity/client/interop/gocases"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// grpcurlPackage is the version of grpcurl that runs.
const grpcurlPackage = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"

// grpcurlDeadline is that of the case deadline: it includes the start of the program, and
// its questions to the reflection service.
const grpcurlDeadline = 2 * time.Second

// grpcurlRow is grpcurl: the same cases as those of the Go driver, over its commands.
type grpcurlRow struct{ binary string }

var _ row = (*grpcurlRow)(nil)

func (r *grpcurlRow) name() string { return "grpcurl" }

func (r *grpcurlRow) build(ctx context.Context, f *fixture) error {
	r.binary = filepath.Join(f.bin, "grpcurl")
	cmd := exec.Command("go", "install", grpcurlPackage)
	cmd.Env = append(cmd.Environ(), "GOBIN="+f.bin)
	return f.toolCommand(ctx, cmd)
}

// notInGrpcurl are the cases that it cannot have.
var notInGrpcurl = map[string]string{
	"cancel_mid_stream": "grpcurl cannot cancel a call and go on",
	"checksum":          "grpcurl prints checksums, and does not compare them",
	"gzip":              "grpcurl does not compress requests",
	benchCase:           "grpcurl prints files in JSON",
}

func (r *grpcurlRow) run(ctx context.Context, c testCase, at place) error {
	if reason, ok := notInGrpcurl[c.name]; ok {
		return absent(reason)
	}
	conn := &grpcurlConn{binary: r.binary, flags: []string{"-plaintext"}, addr: at.grpc}
	switch c.name {
	case "tls":
		return r.tls(ctx, at)
	case "token":
		return r.token(ctx, at)
	}
	suite := gocases.Suite{Conn: conn, Dir: at.dir, Row: at.row, IDs: at.idBase, Deadline: grpcurlDeadline, HalfClose: true}
	ok, err := suite.Run(ctx, c.name)
	if !ok {
		err = errors.New("the row does not have this case")
	}
	return err
}

// token draws with the token, and with another one.
func (r *grpcurlRow) token(ctx context.Context, at place) error {
	draw := func(token string) error {
		flags := []string{"-plaintext", "-H", "authorization: Bearer " + token}
		suite := gocases.Suite{Conn: &grpcurlConn{binary: r.binary, flags: flags, addr: at.auth}}
		_, err := suite.Run(ctx, "draw_even")
		return err
	}
	if err := draw(sampleToken); err != nil {
		return err
	}
	switch err := draw(wrongToken); {
	case err == nil:
		return errors.New("the call succeeded with a token that the server does not know")
	case !strings.Contains(err.Error(), "Unauthenticated"):
		return fmt.Errorf("with a token that the server does not know: %w, want UNAUTHENTICATED", err)
	}
	return nil
}

// tls draws with the authority, and without it.
func (r *grpcurlRow) tls(ctx context.Context, at place) error {
	conn := &grpcurlConn{binary: r.binary, flags: []string{"-cacert", at.ca}, addr: at.tls}
	suite := gocases.Suite{Conn: conn}
	if _, err := suite.Run(ctx, "draw_even"); err != nil {
		return err
	}
	conn.flags = nil
	_, err := numbersv1.NewNumberServiceClient(conn).Draw(ctx, &numbersv1.DrawRequest{})
	switch {
	case err == nil:
		return errors.New("the call succeeded without the authority")
	case !strings.Contains(err.Error(), "certificate"):
		return fmt.Errorf("without the authority: %w, want an error of the certificate", err)
	}
	return nil
}

func (r *grpcurlRow) bench(context.Context, place) (float64, error) {
	return 0, absent(notInGrpcurl[benchCase])
}

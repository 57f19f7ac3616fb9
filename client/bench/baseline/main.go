// Command baseline serves the loads of client bench, and nothing else, with plain Go and
// plain grpc-go: the measure of what Parity adds and saves.
//
//	baseline -grpc ADDRESS -files ADDRESS -draws ADDRESS DIRECTORY
//
// All answers are in memory when it starts. It checks nothing and logs nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"

	"golang.org/x/sync/errgroup"

	"example.com/parity/client/bench/internal/program"
)

func main() { program.Main("baseline", run) }

func run(ctx context.Context, args []string, _, stderr io.Writer) error {
	flags := flag.NewFlagSet("baseline", flag.ContinueOnError)
	flags.SetOutput(stderr)
	grpcAddr := flags.String("grpc", "localhost:0", "`address` of the bare gRPC server")
	filesAddr := flags.String("files", "localhost:0", "`address` of the raw TCP server of files")
	drawsAddr := flags.String("draws", "localhost:0", "`address` of the raw TCP server of numbers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("DIRECTORY: set exactly one")
	}
	all, err := load(flags.Arg(0))
	if err != nil {
		return err
	}

	doors := []struct {
		addr  string
		serve func(context.Context, net.Listener) error
	}{
		{*grpcAddr, func(ctx context.Context, l net.Listener) error { return serveGRPC(ctx, l, all) }},
		{*filesAddr, func(ctx context.Context, l net.Listener) error {
			return serveTCP(ctx, l, func(nc net.Conn) { sendFile(nc, all) })
		}},
		{*drawsAddr, func(ctx context.Context, l net.Listener) error { return serveTCP(ctx, l, sendNumbers) }},
	}
	serving, ctx := errgroup.WithContext(ctx)
	for _, door := range doors {
		l, err := net.Listen("tcp", door.addr)
		if err != nil {
			return err
		}
		serving.Go(func() error { return door.serve(ctx, l) })
	}
	return serving.Wait()
}

// Server hands out numbers and files over gRPC and over the original TCP
// protocols.
//
//	server [serve] [flags] DIRECTORY
//	server gateway --upstream TARGET [flags]
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"example.com/parity/internal/version"
	"example.com/parity/server/internal/app"
	_ "example.com/parity/server/internal/hangup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal starts the shutdown; the second finds no handler and kills.
	context.AfterFunc(ctx, stop)
	stderr := app.NewOutput(os.Stderr)
	log.SetOutput(stderr) // of libraries
	err := app.Run(ctx, os.Args[1:], os.Stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", version.Program(), err)
	}
	stderr.Close()
	os.Exit(app.ExitStatus(err))
}

// Server hands out numbers and files over gRPC and over the original TCP
// protocols.
//
//	server [serve] [flags] DIRECTORY
//	server gateway --upstream TARGET [flags]
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/parity/server/internal/app"
	_ "example.com/parity/server/internal/hangup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal starts the shutdown; the second finds no handler and kills.
	context.AfterFunc(ctx, stop)
	err := app.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
	}
	os.Exit(app.ExitStatus(err))
}

// Server hands out numbers and files over gRPC and over the original TCP
// protocols.
//
//	server [serve] [flags] DIRECTORY
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	_ "example.com/parity/server/internal/hangup"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is how far the heap may grow beyond what is live, in percent of that.
// Go's own 100 would double the cache; and a collection is cheap here, for cached
// bytes are not looked into.
const gcPercent = 60

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the program in order; the second finds no handler.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "server: %s\n", redact(err.Error()))
	}
	os.Exit(exitStatus(err))
}

func exitStatus(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// Package app is the server program: its command line, the serve and gateway
// commands, and what they are made of: listeners, TLS, interceptors and the ordered
// shutdown. The tests of the whole program are here too.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is GOGC if the environment does not set it. Go's default of 100 would let
// the cache take twice its size; and a collection is cheap, because cached bytes hold no
// pointers to scan.
const gcPercent = 60

// Run runs the command that args name until it ends or ctx is done. Its error is one
// line without passwords; ExitStatus returns the status for it.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cmd, err := parse(args, stdout, stderr)
	if cmd == nil && err == nil {
		return nil
	}
	if err == nil {
		err = cmd.Run(ctx, streams{stdout, stderr})
	}
	return redacted(err)
}

// ExitStatus returns the exit status for an error of Run.
func ExitStatus(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}

// newOperatorLog returns the log of events that concern the operator.
func newOperatorLog(stderr io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(stderr, nil))
}

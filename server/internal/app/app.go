// Package app is the server program: its command line, the serve and gateway
// commands, and what they are made of: listeners, TLS, interceptors and the ordered
// shutdown. The tests of the whole program are here too.
package app

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
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

// Run does what the command line says until it is done or ctx is. Its error is one
// line without passwords, and ExitStatus knows its status.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cmd, err := parse(args, stdout, stderr)
	if cmd == nil && err == nil {
		return nil
	}
	if err == nil {
		err = cmd.run(ctx, stderr)
	}
	return redacted(err)
}

// ExitStatus returns the exit status that an error of Run stands for.
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

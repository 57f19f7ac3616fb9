// Command tcp_client uses a Parity server, or an original one, over the original
// protocols, with the original client's command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"example.com/parity/client/internal/terminal"
	"example.com/parity/internal/version"
	"example.com/parity/legacytcp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(execute(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are the program's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitInterrupted = 130 // by a signal, before it was done
)

// execute runs the command that args name, prints its error, and returns the exit status.
func execute(ctx context.Context, args []string, s streams) int {
	err := run(ctx, args, s)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(usageError)):
		fmt.Fprintf(s.err, "%s: %s\n%s", version.Program(), terminal.Error(err), usage())
		return exitUsage
	case ctx.Err() != nil: // which is the cause, whatever the error says
		fmt.Fprintf(s.err, "%s: interrupted\n", version.Program())
		return exitInterrupted
	case errors.Is(err, legacytcp.ErrNotFound):
		fmt.Fprintln(s.err, legacytcp.DefaultNotFound) // as the original client says it
		return exitNotFound
	default:
		fmt.Fprintf(s.err, "%s: %s\n", version.Program(), terminal.Error(err))
		return exitFailed
	}
}

// run runs the command that args name.
func run(ctx context.Context, args []string, s streams) error {
	options, args, err := parseOptions(args)
	switch {
	case err != nil:
		return err
	case options.help:
		_, err := io.WriteString(s.out, help())
		return err
	case options.version:
		_, err := fmt.Fprintln(s.out, version.String())
		return err
	case len(args) < 2:
		return errArguments
	}
	addr := net.JoinHostPort(args[0], args[1])
	switch rest := args[2:]; {
	case len(rest) == 0:
		return count(ctx, addr, s)
	case len(rest) == 1 && rest[0] == "list":
		return list(ctx, addr, s.out)
	case len(rest) == 2:
		return fetch(ctx, addr, rest[0], rest[1], options.notFound, s.err)
	default:
		return errArguments
	}
}

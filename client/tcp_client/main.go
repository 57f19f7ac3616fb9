// Command tcp_client uses a Parity server over the original protocols, with the original
// client's command line.
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

const usage = `usage: tcp_client HOST PORT list            print the names of the cached files
       tcp_client HOST PORT FILE DIRECTORY  download a file
       tcp_client HOST PORT                 count: c connects, s shuts down, exit ends`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, usage)
	case errors.Is(err, legacytcp.ErrNotFound):
		fmt.Fprintln(os.Stderr, "File not found")
	case err != nil:
		fmt.Fprintln(os.Stderr, "tcp_client:", terminal.Error(err))
	}
	os.Exit(exitStatus(err))
}

// streams are the program's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

var errUsage = errors.New("usage")

// run runs the command that args name.
func run(ctx context.Context, args []string, s streams) error {
	if version.Asked(args) {
		_, err := fmt.Fprintln(s.out, version.String())
		return err
	}
	if len(args) < 2 {
		return errUsage
	}
	addr := net.JoinHostPort(args[0], args[1])
	switch rest := args[2:]; {
	case len(rest) == 0:
		return count(ctx, addr, s)
	case len(rest) == 1 && rest[0] == "list":
		return list(ctx, addr, s.out)
	case len(rest) == 2:
		return fetch(ctx, addr, rest[0], rest[1], s.err)
	default:
		return errUsage
	}
}

// exitStatus returns the exit status for an error of run.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, legacytcp.ErrNotFound):
		return 3
	default:
		return 1
	}
}

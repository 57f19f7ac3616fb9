// Command client uses a Parity server over gRPC: it draws numbers, counts, and
// lists and downloads files. Data goes to standard output, everything else to
// standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/terminal"
	"example.com/parity/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", terminal.Error(err))
		if ctx.Err() != nil { // whatever the error says, that is why
			os.Exit(exitInterrupted)
		}
	}
	os.Exit(exitStatus(err))
}

// streams are the program's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commandLine is what can be said on it. Each flag can also be said in the
// environment: --tls-ca as PARITY_CLIENT_TLS_CA.
type commandLine struct {
	dialFlags
	Version kong.VersionFlag `env:"-" help:"Print the version, and exit."`
	JSON    bool             `name:"json" help:"Print one JSON object a line."`

	Draw    drawCommand    `cmd:"" help:"Draw one number."`
	Count   countCommand   `cmd:"" help:"Count up, and report and draw as the counting clients do."`
	Clients clientsCommand `cmd:"" help:"Print the register of clients."`
	List    listCommand    `cmd:"" help:"Print the files that are in the server's cache."`
	Get     getCommand     `cmd:"" help:"Download a file, or go on with a download that was interrupted."`
	Bench   benchCommand   `cmd:"" help:"Put load on a server and measure what it does with it."`
}

// run does what args say.
func run(ctx context.Context, args []string, s streams) error {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("client"),
		kong.Description("Use a Parity server over gRPC."),
		kong.DefaultEnvars("PARITY_CLIENT"),
		kong.Vars{"version": version.String()},
		kong.Writers(s.out, s.err),
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	conn, err := line.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(conn, (*grpc.ClientConnInterface)(nil))
	return command.Run(s, output{s.out, line.JSON})
}

// usageError is a command line that means nothing.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitInterrupted = 130 // by a signal, before it was done
)

// exitStatus is what the program ends with after run has returned err. Of many files,
// all must have been found missing.
func exitStatus(err error) int {
	var many failures
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usageError{}):
		return exitUsage
	case status.Code(err) == codes.NotFound:
		return exitNotFound
	case errors.As(err, &many) && !slices.ContainsFunc(many.errs, func(err error) bool { return status.Code(err) != codes.NotFound }):
		return exitNotFound
	default:
		return exitFailed
	}
}

// Command client uses a Parity server over gRPC: it draws numbers, counts, and lists and
// downloads files. Data goes to standard output, messages to standard error.
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

	"example.com/parity/client/internal/contexts"
	"example.com/parity/client/internal/explain"
	"example.com/parity/client/internal/terminal"
	"example.com/parity/internal/version"
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

// commandLine is the syntax of the command line. Each flag can be set by an environment
// variable as well: --tls-ca by PARITY_CLIENT_TLS_CA.
type commandLine struct {
	dialFlags   `embed:"" group:"Server"`
	ContextName string           `name:"context" placeholder:"NAME" help:"Use the server of this context: see client context --help."`
	Version     kong.VersionFlag `env:"-" help:"Print the version, and exit."`
	JSON        bool             `name:"json" help:"Print one JSON object a line."`

	Draw       drawCommand       `cmd:"" help:"Draw one number."`
	Count      countCommand      `cmd:"" help:"Count up, and report and draw as the counting clients do."`
	Clients    clientsCommand    `cmd:"" help:"Print the register of clients."`
	List       listCommand       `cmd:"" help:"Print the files in the server's cache, or all."`
	Stat       statCommand       `cmd:"" help:"Describe a file, without reading it."`
	Watch      watchCommand      `cmd:"" help:"Show what the server is doing: cache, clients, sessions, and with --metrics its calls."`
	Ping       pingCommand       `cmd:"" help:"Measure round trips, and ask whether the server and its services are serving."`
	Get        getCommand        `cmd:"" help:"Download files, or resume interrupted downloads."`
	Bench      benchCommand      `cmd:"" help:"Put load on a server, and measure it."`
	Context    contextCommand    `cmd:"" help:"Give names to servers, for --context."`
	Completion completionCommand `cmd:"" help:"Print a script that completes commands, flags and names of files in a shell."`
	Help       helpCommand       `cmd:"" help:"Print the help of a command."`

	context    contexts.Context // the flags of the context in use, once they are known
	contextErr error            // or why they are not
}

// command is the shape of a command: a struct of its flags with these methods, beside
// its tests in a file of its own. The parser calls AfterApply, which checks what the
// parser cannot; its errors name the flag. A command without such checks has none.
type command interface {
	// AfterApply() error
	Run(ctx context.Context, p *program) error
}

var _ = []command{
	(*drawCommand)(nil), (*countCommand)(nil), (*clientsCommand)(nil), (*listCommand)(nil), (*statCommand)(nil), (*pingCommand)(nil), (*watchCommand)(nil), (*completionCommand)(nil), (*helpCommand)(nil), (*getCommand)(nil),
	(*contextAddCommand)(nil), (*contextListCommand)(nil), (*contextShowCommand)(nil), (*contextUseCommand)(nil), (*contextRemoveCommand)(nil),
	(*benchGetCommand)(nil), (*benchDrawCommand)(nil), (*benchCountCommand)(nil),
	(*benchLegacyGetCommand)(nil), (*benchLegacyDrawCommand)(nil), (*benchLegacyCountCommand)(nil),
}

// program is what commands run with.
type program struct {
	streams
	output   // to standard output
	messages // to standard error
	parsed   *kong.Context
	flags    dialFlags
	conn     grpc.ClientConnInterface // to the server of flags
}

// execute runs the command that args name, prints its error, and returns the exit status.
func execute(ctx context.Context, args []string, s streams) int {
	var line commandLine
	err := line.run(ctx, args, s)
	if err == nil {
		return exitOK
	}
	line.messages(args, s).complain(err, "")
	if ctx.Err() != nil { // which is the cause, whatever the error says
		return exitInterrupted
	}
	return exitStatus(err)
}

// run runs the command that args name.
func (line *commandLine) run(ctx context.Context, args []string, s streams) error {
	if len(args) > 0 && args[0] == completing {
		return complete(ctx, args[1:], s.out)
	}
	printed := false
	parser, err := line.parser(s, func(int) { printed = true })
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	switch {
	case printed: // the help or the version
		return nil
	case err != nil:
		return usageError{err}
	case line.contextErr != nil:
		return usageError{fmt.Errorf("context: %w", line.contextErr)}
	}
	conn, err := line.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	p := &program{
		streams: s, output: output{s.out, line.JSON, terminal.StyleOf(s.out)}, messages: line.messages(args, s),
		parsed: parsed, flags: line.dialFlags, conn: conn,
	}
	return parsed.Selected().Target.Addr().Interface().(command).Run(ctx, p)
}

// parser returns a parser of args for line. It calls exit after it has printed the help or
// the version.
func (line *commandLine) parser(s streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(line,
		kong.Name(version.Program()),
		kong.Description("Use a Parity server over gRPC."),
		kong.DefaultEnvars("PARITY_CLIENT"),
		kong.Vars{"version": version.String()},
		kong.Writers(s.out, s.err),
		kong.Exit(exit),
		kong.Bind(line),
		kong.Resolvers(kong.ResolverFunc(line.resolve)),
	)
}

// messages returns where messages go. After a mistake in args, their --json may not have
// been parsed.
func (line *commandLine) messages(args []string, s streams) messages {
	return messages{
		w:      s.err,
		asJSON: line.JSON || slices.Contains(args, "--json"),
		server: explain.Server{Addr: line.Addr, TLS: line.withTLS()},
	}
}

// usageError is a mistake in the command line.
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

// exitStatus returns the exit status for an error of run. Of many files, all must have
// been missing for exitNotFound.
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

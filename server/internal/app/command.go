package app

import (
	"context"
	"io"

	"github.com/alecthomas/kong"

	"example.com/parity/internal/version"
)

// commandLine is the syntax of the command line. Each flag can be set by an environment
// variable as well: --drain-timeout by PARITY_DRAIN_TIMEOUT.
type commandLine struct {
	Version kong.VersionFlag `env:"-" help:"Print the version, and exit."`

	Serve     serveCommand     `cmd:"" default:"withargs" help:"Serve numbers and the files of a directory (the default command)."`
	HashToken hashTokenCommand `cmd:"" name:"hash-token" help:"Make an entry for --auth of a token, a new one unless --token-file is given."`
	Gateway   gatewayCommand   `cmd:"" help:"Serve the original TCP protocols alone, in front of gRPC servers elsewhere."`
}

// command is the shape of a command: a struct of its flags with two methods.
type command interface {
	// AfterApply checks what the parser cannot, and sets the defaults that depend on
	// other flags. The parser calls it. Its errors name the flag.
	AfterApply() error
	// Run runs the command until it has ended or ctx is done.
	Run(ctx context.Context, s streams) error
}

var _ = []command{(*serveCommand)(nil), (*gatewayCommand)(nil), (*hashTokenCommand)(nil)}

// streams are where commands write: results to out, messages for the operator to err.
type streams struct{ out, err io.Writer }

// usageError is a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// newParser returns the parser of the command line. It calls exit after it has printed
// the help or the version.
func newParser(line *commandLine, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(line,
		kong.Name(version.Program()),
		kong.Description("Numbers and files over gRPC and over the original TCP protocols."),
		kong.DefaultEnvars("PARITY"),
		kong.Vars{"version": version.String()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
	)
}

// parse reads the command line and the environment. It returns a nil command if the
// user asked for help or the version, which it has printed.
func parse(args []string, stdout, stderr io.Writer) (command, error) {
	var (
		line    commandLine
		printed bool
	)
	parser, err := newParser(&line, stdout, stderr, func(int) { printed = true })
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(args)
	switch {
	case printed:
		return nil, nil
	case err != nil:
		return nil, &usageError{err}
	}
	return parsed.Selected().Target.Addr().Interface().(command), nil
}

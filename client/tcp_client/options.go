package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"example.com/parity/internal/version"
	"example.com/parity/legacytcp"
)

// notFoundVariable sets --not-found for scripts whose command lines must stay as they are.
const notFoundVariable = "PARITY_TCP_CLIENT_NOT_FOUND"

// maxNotFound is the maximum length of a text for --not-found, in bytes: far more than a
// server says of a missing file.
const maxNotFound = 1024

// options are what precedes the original's arguments on the command line.
type options struct {
	notFound      texts
	help, version bool
}

// parseOptions parses the options at the beginning of args, and returns what follows. The
// first argument without a dash ends them, so that the original's command lines mean what
// they always did.
func parseOptions(args []string) (o options, rest []string, err error) {
	flags := flag.NewFlagSet(version.Program(), flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says the same
	flags.Var(&o.notFound, "not-found", "")
	flags.BoolVar(&o.help, "help", false, "")
	flags.BoolVar(&o.help, "h", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	if err := flags.Parse(args); err != nil {
		return o, nil, usageError{err}
	}
	if text, ok := os.LookupEnv(notFoundVariable); ok && len(o.notFound) == 0 {
		if err := o.notFound.Set(text); err != nil {
			return o, nil, usageError{fmt.Errorf("%s: %w", notFoundVariable, err)}
		}
	}
	return o, flags.Args(), nil
}

// texts is the value of an option that may be repeated.
type texts []string

func (t *texts) String() string { return strings.Join(*t, ", ") }

// Set implements flag.Value.
func (t *texts) Set(text string) error {
	if len(text) > maxNotFound {
		return fmt.Errorf("%d bytes are more than %d", len(text), maxNotFound)
	}
	*t = append(*t, text)
	return nil
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

var errArguments = usageError{errors.New("wrong number of arguments")}

// usage returns the command lines, which are all that is shown after a mistake.
func usage() string {
	name := version.Program()
	return fmt.Sprintf(`usage: %[1]s HOST PORT list            print the names of the cached files
       %[1]s HOST PORT FILE DIRECTORY  download a file
       %[1]s HOST PORT                 count: c connects, s shuts down, exit ends
`, name)
}

// help returns the text of --help.
func help() string {
	return usage() + fmt.Sprintf(`
It uses a Parity server, or an original one, over the original TCP protocols.

Options, before HOST:
  --not-found TEXT  the server's reply for a file that it does not have; may be
                    repeated, and an empty TEXT is an empty reply; in place of
                    %s
                    Variable: %s
  --help, -h        print this
  --version         print the version

A download replaces a file of that name in DIRECTORY, as a whole and only when the
new one has arrived.

Exit status: 0 success, 1 failure, 2 wrong usage, 3 file not found, 130 interrupted.
`, quoted(legacytcp.KnownNotFound), notFoundVariable)
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, " and ")
}

// Command interop runs the interop suite: one list of named cases, with clients in many
// languages, against real servers. It prints which client passed which case:
//
//	go run ./client/interop [--rows LIST] [--cases REGEXP] [--markdown] [--bench]
//
// It builds what it needs, and fails if any cell is FAIL or a client cannot be built.
// README.md lists the cases, and says how the driver of a language is made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"example.com/parity/client/internal/terminal"
	"example.com/parity/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if version.Asked(os.Args[1:]) {
		fmt.Println(version.String())
		return
	}
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", terminal.Error(err))
		os.Exit(1)
	}
}

// errRed means that the printed table has a FAIL.
var errRed = errors.New("not all cells are ok")

// options are what the command line says.
type options struct {
	rows     []row
	cases    []testCase
	markdown bool
	bench    bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.String("rows", "", "run only the clients of this comma-separated `list`")
	only := flags.String("cases", "", "run only the cases whose names this `regexp` matches")
	flags.BoolVar(&o.markdown, "markdown", false, "print Markdown")
	flags.BoolVar(&o.bench, "bench", false, "also measure downloads, and count lines of code")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	if o.rows, err = rowsNamed(*list); err != nil {
		return o, err
	}
	matches, err := regexp.Compile(*only)
	if err != nil {
		return o, fmt.Errorf("--cases: %w", err)
	}
	for _, c := range cases {
		if matches.MatchString(c.name) {
			o.cases = append(o.cases, c)
		}
	}
	if len(o.cases) == 0 && !o.bench {
		return o, fmt.Errorf("--cases: %q matches no case", *only)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	f, err := newFixture(ctx, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.serve(ctx, rowNames(o.rows)); err != nil {
		return err
	}
	m, err := runMatrix(ctx, f, o.rows, o.cases, stderr)
	if err != nil {
		return err
	}
	if len(o.cases) > 0 {
		m.write(stdout, o.markdown)
	}
	if o.bench {
		fmt.Fprintln(stdout)
		if err := m.measure(ctx, f, o.rows, stdout, o.markdown); err != nil {
			return err
		}
	}
	if m.failed() {
		return errRed
	}
	return nil
}

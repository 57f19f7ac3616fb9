// Command compare measures Parity beside its baselines, and prints the ratios:
//
//	go run ./client/bench/compare [-rounds N] [-for D] [-only REGEXP] [-scaling] [-json]
//
// It builds the server, the client and the baseline server, and puts the same load on one
// after the other, in several rounds, so that other activity of the machine affects all of
// them. Servers and clients are processes on loopback addresses. It needs about 4 GiB of
// memory, 2 GiB of disk, and Linux, to measure the memory of the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"example.com/parity/client/bench/internal/program"
)

func main() { program.Main("compare", run) }

// options are what the command line says.
type options struct {
	rounds  int
	length  time.Duration // of one measurement
	only    *regexp.Regexp
	scaling bool
	json    bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flags.DurationVar(&o.length, "for", 2*time.Second, "how long one measurement takes")
	only := flags.String("only", "", "measure only what this `regexp` matches, by its name in the tables")
	flags.BoolVar(&o.scaling, "scaling", false, "also measure how cost grows with clients and file sizes")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.length <= 0 {
		return o, errors.New("-rounds and -for: must be positive")
	}
	o.only, err = regexp.Compile(*only)
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	r, err := plan(o)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "parity-compare-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()

	p, err := build(ctx, temp, stderr)
	if err != nil {
		return err
	}
	if err := r.measure(ctx, p); err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(stdout)
	}
	return r.writeMarkdown(stdout)
}

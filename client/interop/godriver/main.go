// Command godriver is the Go driver of the interop suite: it runs one case, with the
// packages of the Go client where they have a part in it. client/interop/README.md
// specifies its command line and the cases.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"

	"example.com/parity/client/internal/terminal"
	"example.com/parity/client/interop/gocases"
)

// limit is how long a case may take. It is a little less than the 30 s after which the
// runner kills drivers, so that the driver can say what it waited for.
const limit = 25 * time.Second

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, terminal.Error(err))
		os.Exit(1)
	}
}

// driver is what a case runs with.
type driver struct {
	options
	stdout io.Writer
	conn   *grpc.ClientConn
}

// options are what the command line says.
type options struct {
	name  string // of the case
	addr  string // HOST:PORT
	dir   string // that the server serves
	ca    string // PEM file; empty: no TLS
	token string // empty: none
	row   string // names the file that get_changed changes
	ids   int    // the first of the client IDs
}

// cases are those that package gocases does not have, or has only a part of.
var cases = map[string]func(context.Context, *driver) error{
	"get_large": getLarge,
	"checksum":  checksum,
	"gzip":      compressed,
	"tls":       withTLS,
	"token":     withToken,
	"bench_get": benchGet,
}

// run runs a case.
func (d *driver) run(ctx context.Context, name string) error {
	suite := gocases.Suite{Conn: d.conn, Dir: d.dir, Row: d.row, IDs: d.ids, Deadline: gocases.Deadline}
	ok, err := suite.Run(ctx, name)
	if !ok {
		err = fmt.Errorf("there is no case %q", name)
	}
	return err
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o options
	flags := flag.NewFlagSet("godriver", flag.ContinueOnError)
	flags.StringVar(&o.name, "case", "", "the case")
	flags.StringVar(&o.addr, "addr", "", "the server, `HOST:PORT`")
	flags.StringVar(&o.dir, "dir", "", "the `directory` that the server serves")
	flags.StringVar(&o.ca, "tls-ca", "", "use TLS, verified by the authorities in this `file`")
	flags.StringVar(&o.token, "token", "", "send this `token` with calls")
	flags.StringVar(&o.row, "row", "go", "the `name` of the row")
	flags.IntVar(&o.ids, "id-base", 0, "the first of 100 client IDs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	conn, err := o.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	d := &driver{o, stdout, conn}
	if c, ok := cases[o.name]; ok {
		return c(ctx, d)
	}
	return d.run(ctx, o.name)
}

// Command godriver is the Go driver of the interop suite: it runs one case, with the
// packages of the Go client where they have a part in it. client/interop/README.md
// specifies its command line and the cases.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"

	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// limit is how long a case may take. It is a little less than the 30 s after which the
// runner kills drivers, so that the driver can say what it waited for.
const limit = 25 * time.Second

// Exit statuses.
const (
	exitFailed = 1
	exitAbsent = 3
)

func main() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	err := run(ctx, os.Args[1:], os.Stdout)
	if absent := new(absentError); errors.As(err, absent) {
		fmt.Println(terminal.Error(err))
		os.Exit(exitAbsent)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, terminal.Error(err))
		os.Exit(exitFailed)
	}
}

// absentError is why this client cannot have a case.
type absentError string

func (e absentError) Error() string { return string(e) }

// driver is what a case runs with.
type driver struct {
	options
	stdout  io.Writer
	conn    *grpc.ClientConn
	numbers numbersv1.NumberServiceClient
	files   filesv1.FileServiceClient
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

// cases are the cases by their names.
var cases = map[string]func(context.Context, *driver) error{
	"draw_even":               drawEven,
	"draw_odd":                drawOdd,
	"count_session":           countSession,
	"count_resume":            countResume,
	"count_bad_first_message": countBadFirstMessage,
	"count_headers_first":     countHeadersFirst,
	"count_int64_extremes":    countInt64Extremes,
	"list_cache":              listCache,
	"list_paged":              listPaged,
	"list_prefix":             listPrefix,
	"stat":                    stat,
	"get_small":               getSmall,
	"get_large":               getLarge,
	"get_range":               getRange,
	"get_resume_version":      getResumeVersion,
	"get_changed":             getChanged,
	"get_missing":             getMissing,
	"get_bad_name":            getBadName,
	"get_out_of_range":        getOutOfRange,
	"cancel_mid_stream":       cancelMidStream,
	"deadline":                deadline,
	"checksum":                checksum,
	"gzip":                    compressed,
	"tls":                     withTLS,
	"token":                   withToken,
	"health":                  health,
	"reflection":              reflection,
	"bench_get":               benchGet,
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
	c, ok := cases[o.name]
	if !ok {
		return fmt.Errorf("there is no case %q", o.name)
	}
	conn, err := o.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return c(ctx, &driver{
		options: o,
		stdout:  stdout,
		conn:    conn,
		numbers: numbersv1.NewNumberServiceClient(conn),
		files:   filesv1.NewFileServiceClient(conn),
	})
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/parity/client/interop/testfiles"
	"example.com/parity/legacytcp"
)

// tcpRow is the client of the original protocols: the program tcp_client, and the client
// side of package legacytcp where the program's command line has no way.
type tcpRow struct{ binary string }

var _ row = (*tcpRow)(nil)

func (r *tcpRow) name() string { return "tcp_client" }

func (r *tcpRow) build(ctx context.Context, f *fixture) error {
	r.binary = filepath.Join(f.bin, "tcp_client")
	return f.tool(ctx, "go", "build", "-o", r.binary, "./client/tcp_client")
}

// What the original protocols do not have.
const (
	noStreams   = "the original protocols have no streams with statuses"
	noPages     = "the original list is of the cache alone, whole"
	noRanges    = "the original protocols send whole files, of no version"
	noChecksums = "the original protocols have no checksums"
	noFeature   = "the original protocols have nothing like it"
)

// notInTCP are the cases that the original protocols cannot have.
var notInTCP = map[string]string{
	"count_bad_first_message": noStreams,
	"count_headers_first":     noStreams,
	"list_paged":              noPages,
	"list_prefix":             noPages,
	"stat":                    noFeature,
	"get_range":               noRanges,
	"get_resume_version":      noRanges,
	"get_out_of_range":        noRanges,
	"cancel_mid_stream":       "the original protocols have one request a connection",
	"deadline":                noFeature,
	"checksum":                noChecksums,
	"gzip":                    noFeature,
	"tls":                     noFeature,
	"token":                   noFeature,
	"health":                  noFeature,
	"reflection":              noFeature,
}

// tcpCases are the others.
var tcpCases = map[string]func(context.Context, *tcpRow, place) error{
	"draw_even":            tcpDrawEven,
	"draw_odd":             tcpDrawOdd,
	"count_session":        tcpCountSession,
	"count_resume":         tcpCountResume,
	"count_int64_extremes": tcpCountInt64Extremes,
	"list_cache":           tcpListCache,
	"get_small":            tcpGetSmall,
	"get_large":            tcpGetLarge,
	"get_changed":          tcpGetChanged,
	"get_missing":          tcpGetMissing,
	"get_bad_name":         tcpGetBadName,
}

func (r *tcpRow) run(ctx context.Context, c testCase, at place) error {
	if reason, ok := notInTCP[c.name]; ok {
		return absent(reason)
	}
	run, ok := tcpCases[c.name]
	if !ok {
		return errors.New("the row does not have this case")
	}
	return run(ctx, r, at)
}

// program runs tcp_client with arguments.
func (r *tcpRow) program(ctx context.Context, at place, args ...string) (*finished, error) {
	host, port, err := net.SplitHostPort(at.legacy)
	if err != nil {
		return nil, err
	}
	return runProcess(ctx, exec.Command(r.binary, append([]string{host, port}, args...)...))
}

// The exit statuses of tcp_client.
const (
	tcpOK       = 0
	tcpFailed   = 1
	tcpNotFound = 3
)

// fetch downloads a file with tcp_client, and returns what it left in the directory that
// it was given.
func (r *tcpRow) fetch(ctx context.Context, at place, name string) (f *finished, files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "parity-interop-tcp-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if f, err = r.program(ctx, at, name, dir); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	files = map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, nil, err
		}
	}
	return f, files, nil
}

// wantFetch downloads a file and compares it.
func (r *tcpRow) wantFetch(ctx context.Context, at place, name string, want []byte) error {
	f, files, err := r.fetch(ctx, at, name)
	if err != nil {
		return err
	}
	if f.code != tcpOK || len(files) != 1 || !bytes.Equal(files[name], want) {
		return fmt.Errorf("exit status %d and %d files, of which %q has %d bytes, want that file alone, of %d bytes that are equal%s",
			f.code, len(files), name, len(files[name]), len(want), after(f))
	}
	return nil
}

func tcpGetSmall(ctx context.Context, r *tcpRow, at place) error {
	return r.wantFetch(ctx, at, testfiles.SmallName, []byte(testfiles.Small))
}

func tcpGetLarge(ctx context.Context, r *tcpRow, at place) error {
	return r.wantFetch(ctx, at, testfiles.LargeName, testfiles.Bytes(0, testfiles.LargeSize))
}

func tcpListCache(ctx context.Context, r *tcpRow, at place) error {
	if err := tcpGetSmall(ctx, r, at); err != nil {
		return err
	}
	f, err := r.program(ctx, at, "list")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(f.stdout.kept)) {
		if line == testfiles.SmallName+"\n" && f.code == tcpOK {
			return nil
		}
	}
	return fmt.Errorf("list: exit status %d, %q, want %q among them%s", f.code, f.stdout.lastLines(reasonLines), testfiles.SmallName, after(f))
}

// tcpGetChanged rewrites a file when its first bytes have arrived.
func tcpGetChanged(ctx context.Context, _ *tcpRow, at place) error {
	name := testfiles.ChangingName(at.row)
	before, err := os.ReadFile(filepath.Join(at.dir, name))
	if err != nil {
		return err
	}
	var got bytes.Buffer
	var rewriting error
	rewritten := false
	_, err = legacytcp.Fetch(ctx, at.legacy, name, writerFunc(func(p []byte) (int, error) {
		if !rewritten {
			rewriting = testfiles.Rewrite(at.dir, name)
			rewritten = true
		}
		return got.Write(p)
	}))
	switch {
	case rewriting != nil:
		return rewriting
	case err != nil && !errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("the download ended with %w, want a reset", err)
	case err == nil && !bytes.Equal(got.Bytes(), before):
		return errors.New("the download succeeded, with data that was never the content of the file")
	}
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func tcpGetMissing(ctx context.Context, r *tcpRow, at place) error {
	for _, name := range []string{"nope", "../etc/passwd", "dir"} {
		f, files, err := r.fetch(ctx, at, name)
		if err != nil {
			return err
		}
		if said := f.stderr.lastLines(1); f.code != tcpNotFound || said != legacytcp.DefaultNotFound || len(files) > 0 {
			return fmt.Errorf("%q: exit status %d, %q, and %d files, want %d, %q, and none",
				name, f.code, said, len(files), tcpNotFound, legacytcp.DefaultNotFound)
		}
	}
	return nil
}

// tcpGetBadName has the program refuse names, and the server too, which calls them missing.
func tcpGetBadName(ctx context.Context, r *tcpRow, at place) error {
	long := strings.Repeat("n", 1025)
	for _, name := range []string{"", long} {
		f, files, err := r.fetch(ctx, at, name)
		if err != nil {
			return err
		}
		if f.code != tcpFailed || len(f.stderr.kept) == 0 || len(files) > 0 {
			return fmt.Errorf("a name of %d bytes: exit status %d, %q, and %d files, want %d, a reason, and none",
				len(name), f.code, f.stderr.lastLines(1), len(files), tcpFailed)
		}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", at.legacy)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(driverLimit))
	io.WriteString(conn, long)
	answer, err := io.ReadAll(io.LimitReader(conn, maxOutput))
	if err == nil && string(answer) != legacytcp.DefaultNotFound {
		err = fmt.Errorf("a name of %d bytes is answered by %q, want %q", len(long), answer, legacytcp.DefaultNotFound)
	}
	return err
}

// bench has one connection for each file, as the protocol demands, and no checksum.
func (r *tcpRow) bench(ctx context.Context, at place) (float64, error) {
	const length = 3 * time.Second
	get := func() error {
		n, err := legacytcp.Fetch(ctx, at.legacy, testfiles.BenchName, io.Discard)
		if err == nil && n != testfiles.BenchSize {
			err = fmt.Errorf("got %d bytes, want %d", n, testfiles.BenchSize)
		}
		return err
	}
	if err := get(); err != nil { // fills the cache
		return 0, err
	}
	start := time.Now()
	files := 0
	for time.Since(start) < length {
		if err := get(); err != nil {
			return 0, err
		}
		files++
	}
	return float64(files) * testfiles.BenchSize / 1e6 / time.Since(start).Seconds(), nil
}

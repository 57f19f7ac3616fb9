package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asProgram makes the test binary the client, for tests that run it in a shell or a terminal.
const asProgram = "PARITY_TEST_AS_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	// No test uses the contexts of the user.
	for _, name := range []string{"XDG_CONFIG_HOME", "HOME", "AppData"} {
		os.Setenv(name, filepath.Join(os.TempDir(), "parity-test-without-configuration"))
	}
	goleak.VerifyTestMain(m)
}

// newBinary returns a directory with a program named client.
func newBinary(tb testing.TB) (dir string) {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	dir = tb.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "client")); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// runProgram runs the client as main does.
func runProgram(ctx context.Context, in string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = execute(ctx, args, streams{strings.NewReader(in), &out, &errs})
	return status, out.String(), errs.String()
}

// run runs a command and returns its error.
func run(ctx context.Context, args []string, s streams) error {
	return new(commandLine).run(ctx, args, s)
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		want   string // on stderr, or on stdout with status 0
	}{
		{"--help", 0, "Usage: client"},
		{"get --help", 0, "Usage: client get"},
		{"help", 0, "Usage: client <command>"},
		{"help get", 0, "Usage: client get"},
		{"help bench get", 0, "Usage: client bench get"},
		{"help fly", 2, "unexpected argument fly"},
		{"completion", 2, "<shell>"},
		{"completion csh", 2, `"bash","zsh","fish"`},
		{"ping --count=-1", 2, "--count"},
		{"ping --interval 0", 2, "--interval"},
		{"ping --timeout=0s", 2, "--timeout"},
		{"watch --interval 1ms", 2, "--interval"},
		{"watch --count=-1", 2, "--count"},
		{"watch --metrics localhost:9090", 2, "--metrics"},
		{"context add .x --addr localhost:1", 2, "a name has"},
		{"context use", 2, "--none"},
		{"--addr 127.0.0.1:1 watch", 1, "connection refused"},
		{"--addr 127.0.0.1:1 stat x", 1, "connection refused"},
		{"", 2, `expected one of "draw"`},
		{"fly", 2, "unexpected argument fly"},
		{"draw seven", 2, `must be one of "even","odd","any"`},
		{"draw even odd", 2, "unexpected argument odd"},
		{"get", 2, `expected "<name> ..."`},
		{"count --id x", 2, "--id"},
		{"count --for 1", 2, "--for"},
		{"count --for=-1s", 2, "--for"},
		{"--addr localhost draw", 2, "--addr"},
		{"--addr nonsense:///%zz draw", 2, "--addr"},
		{"--nonsense draw", 2, "--nonsense"},
		{"--tls-cert x draw", 2, "--tls-key"},
		{"--tls-key x draw", 2, "--tls-cert"},
		{"--json get x -o -", 2, "--json"},
		{"get x y -o z", 2, "--output"},
		{"get x -o y -d z", 2, "--output and --dir"},
		{"get a b/c a", 2, "would be one file"},
		{"get a\x1bb a\x01b", 2, "would be one file"},
		{"get ../x", 2, "--output"},
		{"get x --parallel 0", 2, "--parallel"},
		{"get x --parallel 65", 2, "--parallel"},
		{"get x --limit-rate=-1KiB", 2, "--limit-rate"},
		{"get /etc/passwd", 2, "--output"},
		{"--tls-ca /dev/null draw", 1, "--tls-ca"},
		{"--tls-ca /none draw", 1, "--tls-ca"},
		{"--tls-cert /none --tls-key /none draw", 1, "--tls-cert"},
		{"--addr 127.0.0.1:1 draw", 1, "connection refused"},
		{"--addr 127.0.0.1:1 clients", 1, "connection refused"},
		{"--addr 127.0.0.1:1 list", 1, "connection refused"},
		{"--addr 127.0.0.1:1 get x", 1, "connection refused"},
		{"--addr 127.0.0.1:1 count", 1, "connection refused"},
	} {
		status, out, errs := runProgram(t.Context(), "", strings.Fields(c.args)...)
		text := errs
		if c.status == 0 {
			text = out
		}
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("client %s: status %d and %q, want %d and %q", c.args, status, text, c.status, c.want)
		}
		if c.status != 0 && out != "" {
			t.Errorf("client %s: %q on stdout", c.args, out)
		}
	}
}

var errFull = errors.New("no space left")

// untilPrinted returns a context that ends when text has been written to out.
func untilPrinted(tb testing.TB, text string) (ctx context.Context, out *triggerBuffer, cancel context.CancelFunc) {
	tb.Helper()
	ctx, cancel = context.WithTimeout(tb.(interface{ Context() context.Context }).Context(), time.Minute)
	return ctx, &triggerBuffer{text: text, found: cancel}, cancel
}

// triggerBuffer calls found when it has a text. It is for one goroutine.
type triggerBuffer struct {
	bytes.Buffer
	text  string
	found func()
}

func (b *triggerBuffer) Write(p []byte) (int, error) {
	n, err := b.Buffer.Write(p)
	if strings.Contains(b.String(), b.text) {
		b.found()
	}
	return n, err
}

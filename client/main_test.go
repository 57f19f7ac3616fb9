package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/parity/client/bench"
)

const module = "example.com/parity"

// servicesAlone is the server that is built without most of its interceptors.
const servicesAlone = "server-alone"

// programs are the programs that are measured, and the client that measures them.
type programs struct {
	dir    string // of the programs, and of what they leave behind
	stderr io.Writer
}

// build builds the programs in dir.
func build(ctx context.Context, dir string, stderr io.Writer) (*programs, error) {
	fmt.Fprintln(stderr, "building")
	p := &programs{dir, stderr}
	for _, args := range [][]string{
		{"-o", dir + string(filepath.Separator), module + "/server", module + "/client", module + "/client/bench/baseline"},
		{"-tags", "bare", "-o", p.path(servicesAlone) + exeSuffix, module + "/server"},
	} {
		if out, err := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return p, nil
}

func (p *programs) path(name string) string { return filepath.Join(p.dir, name) }

// server is a server under load, with its addresses.
type server struct {
	*process
	grpc, files, draws string
}

// start starts the program of t: Parity with its defaults, including log and register.
func (p *programs) start(ctx context.Context, t target, directory string) (*server, error) {
	switch t {
	case parity:
		return p.startParity(ctx, "server", directory)
	case services:
		return p.startParity(ctx, servicesAlone, directory)
	case roomy:
		return p.startParity(ctx, "server", directory, "--cache-size", "1200MiB")
	}
	return p.startBaseline(ctx, directory)
}

func (p *programs) startParity(ctx context.Context, program, directory string, flags ...string) (*server, error) {
	state, err := os.MkdirTemp(p.dir, "state-")
	if err != nil {
		return nil, err
	}
	return startServer(3, func(addrs []string) (*server, error) {
		process, err := start(ctx, addrs[:2], []string{"PARITY_ADMIN=" + addrs[2]},
			p.path(program), slices.Concat([]string{"--grpc", addrs[0], "--legacy", addrs[1], "--data-dir", state}, flags, []string{directory})...)
		return &server{process, addrs[0], addrs[1], addrs[1]}, err
	})
}

func (p *programs) startBaseline(ctx context.Context, directory string) (*server, error) {
	return startServer(3, func(addrs []string) (*server, error) {
		process, err := start(ctx, addrs, nil,
			p.path("baseline"), "-grpc", addrs[0], "-files", addrs[1], "-draws", addrs[2], directory)
		return &server{process, addrs[0], addrs[1], addrs[2]}, err
	})
}

// startTries is the maximum of attempts to start a server: another process may take an
// address between the check and its use.
const startTries = 3

// startServer starts a server at n addresses.
func startServer(n int, start func(addrs []string) (*server, error)) (s *server, err error) {
	for range startTries {
		var addrs []string
		if addrs, err = freeAddresses(n); err != nil {
			return nil, err
		}
		if s, err = start(addrs); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// put puts load on s for a duration. A wrong answer is an error.
func (p *programs) put(ctx context.Context, s *server, load string, length time.Duration) (*bench.Result, error) {
	where := []string{"--addr", s.grpc}
	switch verb, _, _ := strings.Cut(load, " "); verb {
	case "legacy-get":
		where = []string{"--legacy", s.files}
	case "legacy-draw":
		where = []string{"--legacy", s.draws}
	}
	args := append([]string{"--json", "bench"}, strings.Fields(load)...)
	args = append(append(args, where...), "--for", length.String())

	cmd := exec.CommandContext(ctx, p.path("client"), args...)
	cmd.Env = withoutParity(os.Environ())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	failed := cmd.Run()
	result := new(bench.Result)
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return nil, fmt.Errorf("client %s: %w: %s", strings.Join(args, " "), cmp.Or(failed, err), said.String())
	}
	if result.Errors > 0 || failed != nil {
		return nil, fmt.Errorf("client %s: %d errors: %q", strings.Join(args, " "), result.Errors, result.Examples)
	}
	if result.Operations == 0 && result.Bytes == 0 {
		return nil, errors.New("nothing was done in " + length.String())
	}
	return result, nil
}

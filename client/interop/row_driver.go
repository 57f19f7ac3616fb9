package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// driverLimit is how long a driver may take for one case before it is killed. Drivers
	// give up a little earlier, and say why.
	driverLimit = 30 * time.Second
	// absentCode is the exit code of a driver whose client cannot have a case.
	absentCode = 3
	// sampleToken is what drivers get for --token, and the only token of the third server.
	sampleToken = "interop-token"
	// wrongToken is unknown to it.
	wrongToken = "interop-wrong-token"
)

// driverRow is a client that has a driver: a program that runs one case. README.md
// specifies its command line.
type driverRow struct {
	title string
	// prepare builds the driver and returns how it is started.
	prepare func(ctx context.Context, f *fixture) (command string, err error)
	// limit replaces driverLimit in tests.
	limit time.Duration

	command string
}

var _ row = (*driverRow)(nil)

func (r *driverRow) name() string { return r.title }

func (r *driverRow) build(ctx context.Context, f *fixture) (err error) {
	r.command, err = r.prepare(ctx, f)
	return err
}

func (r *driverRow) run(ctx context.Context, c testCase, at place) error {
	err := r.runWith(ctx, c, at, sampleToken)
	if c.server != withAuth || err != nil {
		return err
	}
	err = r.runWith(ctx, c, at, wrongToken)
	if _, cannot := isAbsent(err); err == nil || cannot || ctx.Err() != nil {
		return fmt.Errorf("with a token that the server does not know the case does not fail: %v", err)
	}
	return nil
}

// runWith runs a case with a token, if it is about one.
func (r *driverRow) runWith(ctx context.Context, c testCase, at place, token string) error {
	f, err := r.start(ctx, c, at, token)
	if err != nil {
		return fmt.Errorf("%w%s", err, after(f))
	}
	switch f.code {
	case 0:
		return nil
	case absentCode:
		reason := f.stdout.lastLines(1)
		if reason == "" {
			return fmt.Errorf("exit status %d without a reason on standard output", absentCode)
		}
		return absent(reason)
	default:
		return fmt.Errorf("exit status %d%s", f.code, after(f))
	}
}

func (r *driverRow) bench(ctx context.Context, at place) (float64, error) {
	f, err := r.start(ctx, testCase{name: benchCase}, at, "")
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w%s", err, after(f))
	case f.code == absentCode:
		return 0, absent(f.stdout.lastLines(1))
	case f.code != 0:
		return 0, fmt.Errorf("exit status %d%s", f.code, after(f))
	}
	line := f.stdout.lastLines(1)
	speed, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(line, "MB/s")), 64)
	if err != nil || speed <= 0 {
		return 0, fmt.Errorf("printed %q, which is no number of MB/s", line)
	}
	return speed, nil
}

// start runs the driver.
func (r *driverRow) start(ctx context.Context, c testCase, at place, token string) (*finished, error) {
	limit := r.limit
	if limit == 0 {
		limit = driverLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("killed after %v", limit))
	defer cancel()
	args := []string{
		"--case", c.name,
		"--addr", at.addr(c),
		"--dir", at.dir,
		"--row", at.row,
		"--id-base", strconv.Itoa(at.idBase),
	}
	if c.server == withTLS {
		args = append(args, "--tls-ca", at.ca)
	}
	if c.server == withAuth {
		args = append(args, "--token", token)
	}
	return runProcess(ctx, exec.Command(r.command, args...))
}

// after returns what a driver said last, as the rest of an error.
func after(f *finished) string {
	if said := f.stderr.lastLines(reasonLines); said != "" {
		return ": " + said
	}
	return ""
}

// buildGoDriver builds client/interop/godriver.
func buildGoDriver(ctx context.Context, f *fixture) (string, error) {
	binary := filepath.Join(f.bin, "godriver")
	return binary, f.tool(ctx, "go", "build", "-o", binary, "./client/interop/godriver")
}

// driverScript returns the preparation of a driver that is not in Go: the script
// client/LANGUAGE/driver, which builds what it needs.
func driverScript(language string) func(ctx context.Context, f *fixture) (string, error) {
	return func(ctx context.Context, f *fixture) (string, error) {
		script := filepath.Join(f.root, "client", language, "driver")
		if _, err := os.Stat(script); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("there is no %s", filepath.Join("client", language, "driver"))
		}
		for _, tool := range toolchains[language] {
			if _, err := exec.LookPath(tool.program); err != nil {
				return "", fmt.Errorf("%s is not installed: %s, or leave the row out with --rows", tool.program, tool.install)
			}
		}
		return script, f.tool(ctx, script, "--build")
	}
}

// toolchain is a program that a driver needs on the PATH.
type toolchain struct{ program, install string }

// toolchains are the programs that the drivers need. Everything else comes with the
// builds of the drivers.
var toolchains = map[string][]toolchain{
	"python":     {{"python3", "apt install python3 python3-venv"}},
	"typescript": {{"node", "apt install nodejs"}, {"npm", "apt install npm"}},
	"rust":       {{"cargo", "apt install cargo, or rustup"}},
	"java":       {{"java", "apt install default-jdk"}, {"mvn", "apt install maven"}},
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"example.com/parity/client/interop/testfiles"
)

// idsPerRow is the distance of the client IDs of two rows. The largest ID is 10000.
const idsPerRow = 1000

// fixture is what the rows run against: the files, and three servers that serve them.
type fixture struct {
	root     string    // of the repository
	temp     string    // everything that the fixture writes is below it
	bin      string    // where programs are built
	dir      string    // that the servers serve
	ca       string    // PEM file of the authority of the second server
	progress io.Writer // what is being built and run

	servers []*server
}

// newFixture finds the repository and makes the directories. The caller closes it.
func newFixture(ctx context.Context, progress io.Writer) (*fixture, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "parity-interop-")
	if err != nil {
		return nil, err
	}
	f := &fixture{
		root:     root,
		temp:     temp,
		bin:      filepath.Join(temp, "bin"),
		dir:      filepath.Join(temp, "files"),
		progress: progress,
	}
	return f, errors.Join(os.Mkdir(f.bin, 0o755), os.Mkdir(f.dir, 0o755))
}

// moduleRoot returns the directory of the module that the working directory is in.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("the working directory is not in the repository")
	}
	return filepath.Dir(mod), nil
}

// tool runs a tool in the repository.
func (f *fixture) tool(ctx context.Context, name string, args ...string) error {
	return f.toolCommand(ctx, exec.Command(name, args...))
}

// toolCommand does the same with a command.
func (f *fixture) toolCommand(ctx context.Context, cmd *exec.Cmd) error {
	cmd.Dir = f.root
	return runTool(ctx, cmd, f.progress)
}

// serve writes the files, builds the server, and starts it in every kind.
func (f *fixture) serve(ctx context.Context, rows []string) error {
	if err := testfiles.Write(f.dir, rows); err != nil {
		return err
	}
	certificates, err := newCertificates(f.temp)
	if err != nil {
		return err
	}
	f.ca = certificates.ca
	binary := filepath.Join(f.bin, "server")
	if err := f.tool(ctx, "go", "build", "-o", binary, "./server"); err != nil {
		return err
	}
	policy := filepath.Join(f.temp, "auth.toml")
	if err := os.WriteFile(policy, []byte(authPolicy()), 0o600); err != nil {
		return err
	}
	for kind, flags := range [][]string{
		plain:    {"--legacy", "127.0.0.1:0"},
		withTLS:  {"--legacy", "", "--tls-cert", certificates.cert, "--tls-key", certificates.key},
		withAuth: {"--legacy", "", "--auth", policy},
	} {
		data := filepath.Join(f.temp, fmt.Sprintf("data%d", kind))
		if err := os.Mkdir(data, 0o755); err != nil {
			return err
		}
		flags = append(flags, "--grpc", "127.0.0.1:0", "--admin", "", "--data-dir", data, "--cache-size", "64MiB", f.dir)
		s, err := startServer(ctx, binary, flags)
		if err != nil {
			return err
		}
		f.servers = append(f.servers, s)
	}
	return nil
}

// authPolicy returns the file of --auth of the third server. grpcurl needs the role admin, as
// it asks the server's reflection for the descriptors.
func authPolicy() string {
	return fmt.Sprintf("[[caller]]\nname = \"interop\"\ntoken_sha256 = [\"%x\"]\nroles = [\"numbers\", \"files\", \"admin\"]\n",
		sha256.Sum256([]byte(sampleToken)))
}

// place returns where the row of that number and name runs.
func (f *fixture) place(number int, name string) place {
	return place{
		grpc:   f.servers[plain].grpc,
		tls:    f.servers[withTLS].grpc,
		auth:   f.servers[withAuth].grpc,
		legacy: f.servers[plain].legacy,
		ca:     f.ca,
		dir:    f.dir,
		idBase: number * idsPerRow,
		row:    name,
	}
}

// close stops the servers and removes everything. It returns an error if a server did not
// end in order.
func (f *fixture) close() error {
	var errs []error
	for _, s := range f.servers {
		errs = append(errs, s.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(f.temp))...)
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// buildDir is where the program is, once a test has built it. TestMain removes it.
var buildDir string

// program builds the program, once.
var program = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "parity-server-"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "server")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// process is the program as its users run it, which can be killed.
type process struct {
	cmd          *exec.Cmd
	stderr       *syncBuffer
	grpc, legacy string // addresses
	wait         func() error
}

// startProcess starts the program and returns when it serves gRPC and the original
// protocols. It is killed when the test ends, if it still runs then.
func startProcess(tb testing.TB, args ...string) *process {
	tb.Helper()
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	return startCommand(tb, exec.Command(path, args...))
}

// startCommand is startProcess for a command that becomes the program.
func startCommand(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := &process{cmd: cmd, stderr: &syncBuffer{}}
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	var exit error
	go func() {
		exit = p.cmd.Wait()
		close(ended)
	}()
	p.wait = func() error {
		<-ended
		return exit
	}
	tb.Cleanup(p.kill)
	doors := map[string]*string{"original protocols": &p.legacy}
	if !slices.Contains(cmd.Args, "gateway") {
		doors["gRPC"] = &p.grpc
	}
	for what, address := range doors {
		announced := regexp.MustCompile(`msg="serving ` + what + `" address=(\S+)`)
		for *address == "" {
			if found := announced.FindStringSubmatch(p.stderr.String()); found != nil {
				*address = found[1]
				break
			}
			select {
			case <-ended:
				tb.Fatalf("%q ended with %v:\n%s", cmd.Args, exit, p.stderr.String())
			case <-time.After(time.Millisecond):
			}
		}
	}
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// terminate tells it to stop, and returns how it ended.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait()
}

// dial returns a gRPC connection to the process.
func (p *process) dial(tb testing.TB) *grpc.ClientConn {
	tb.Helper()
	cc, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cc.Close() })
	return cc
}

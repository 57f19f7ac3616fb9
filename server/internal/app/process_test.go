package app

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	if out, err := exec.Command("go", "build", "-o", path, "example.com/parity/server").CombinedOutput(); err != nil {
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

// fixedPort returns a port that is free at all hosts, for a program that is to come back
// at the same address. It lies below the range from which systems choose ports
// themselves (32768 on Linux, 49152 elsewhere): any connection could take one of those
// while the program is away.
func fixedPort(tb testing.TB, hosts ...string) string {
	tb.Helper()
	const least, tries = 16 << 10, 100
search:
	for range tries {
		port := strconv.Itoa(least + rand.N(least))
		for _, host := range hosts {
			l, err := net.Listen("tcp", net.JoinHostPort(host, port))
			if err != nil {
				continue search
			}
			l.Close()
		}
		return port
	}
	tb.Fatalf("no port is free at %q after %d tries", hosts, tries)
	return ""
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

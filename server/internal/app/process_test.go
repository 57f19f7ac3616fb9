package app

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// buildDir holds the programs that tests have built. TestMain removes it.
var buildDir string

// program builds the server, once.
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

// serverCommand returns a command that runs the server.
func serverCommand(tb testing.TB, args ...string) *exec.Cmd {
	tb.Helper()
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	return exec.Command(path, args...)
}

// process is a running server program.
type process struct {
	cmd          *exec.Cmd
	stderr       *syncBuffer
	grpc, legacy string        // addresses
	ended        chan struct{} // closed when it has exited
	exit         error         // of cmd.Wait, set before ended is closed
}

// startProcess starts the program and returns when it serves gRPC and the original
// protocols. It is killed at the end of the test.
func startProcess(tb testing.TB, args ...string) *process {
	tb.Helper()
	return startCommand(tb, serverCommand(tb, args...))
}

// startCommand is startProcess for a command that executes the program.
func startCommand(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := launchCommand(tb, cmd)
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
			case <-p.ended:
				tb.Fatalf("%q ended with %v:\n%s", cmd.Args, p.exit, p.stderr.String())
			case <-time.After(time.Millisecond):
			}
		}
	}
	return p
}

// wait waits for the exit and returns the error of cmd.Wait.
func (p *process) wait() error {
	<-p.ended
	return p.exit
}

// kill sends SIGKILL and waits for the exit.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// terminate sends SIGTERM, waits for the exit, and returns the error of cmd.Wait.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.wait()
}

// fixedPort returns a port that is free at all hosts, for a program that is restarted at
// the same address. It lies below the ephemeral range (from 32768 on Linux, from 49152
// elsewhere): any connection could take an ephemeral port while the program is down.
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

// launch starts the program and returns at once. It is killed at the end of the test.
func launch(tb testing.TB, args ...string) *process {
	tb.Helper()
	return launchCommand(tb, serverCommand(tb, args...))
}

// launchCommand is launch for a command that executes the program.
func launchCommand(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := &process{cmd: cmd, stderr: &syncBuffer{}, ended: make(chan struct{})}
	cmd.Stderr = p.stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		p.exit = cmd.Wait()
		close(p.ended)
	}()
	tb.Cleanup(p.kill)
	return p
}

// says waits until the output on stderr matches pattern, and returns the submatches.
func (p *process) says(tb testing.TB, pattern string) []string {
	tb.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if found := re.FindStringSubmatch(p.stderr.String()); found != nil {
			return found
		}
		if time.Now().After(end) {
			tb.Fatalf("the output has no %q after 30 s:\n%s", pattern, p.stderr.String())
		}
	}
}

// endsWithin waits for the program to exit and returns its exit status, -1 if a signal
// killed it.
func (p *process) endsWithin(tb testing.TB, most time.Duration) int {
	tb.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(most):
		tb.Fatalf("the program has not exited after %v:\n%s", most, p.stderr.String())
		return 0
	}
}

func (p *process) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// admin fetches a page of the admin address.
func (p *process) admin(tb testing.TB, path string) (code int, body string) {
	tb.Helper()
	address := p.says(tb, `msg="serving metrics, health and profiles" address=(\S+)`)[1]
	return fetchPage(tb, address, path)
}

// fetchPage fetches a page of the admin address over a connection of its own.
func fetchPage(tb testing.TB, address, path string) (code int, body string) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// freePorts are the flags for a server on free ports.
var freePorts = []string{"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0"}

// serverArgs returns the arguments of a server that serves dir on free ports and has a
// new data directory, unless flags set others.
func serverArgs(tb testing.TB, dir string, flags ...string) []string {
	tb.Helper()
	return slices.Concat(freePorts, []string{"--data-dir=" + tb.TempDir()}, flags, []string{dir})
}

// status returns the number in a field of /proc/PID/status.
func (p *process) status(tb testing.TB, field string) int {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		tb.Skip(err)
	}
	_, rest, found := strings.Cut(string(text), field+":")
	if !found {
		tb.Fatalf("the status of the process has no %s:\n%s", field, text)
	}
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// resident returns the resident set size of the process, in bytes.
func (p *process) resident(tb testing.TB) int {
	tb.Helper()
	return p.status(tb, "VmRSS") << 10 // from kB
}

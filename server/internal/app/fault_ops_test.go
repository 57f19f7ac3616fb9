//go:build unix

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"google.golang.org/grpc/health/grpc_health_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/register"
)

// The faults that concern the log, signals and the end of the program, on the program
// as its users run it.

// launch starts the program and returns at once. It is killed when the test ends, if
// it still runs then.
func launch(tb testing.TB, args ...string) *process {
	tb.Helper()
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, args...), stderr: &syncBuffer{}}
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.wait = sync.OnceValue(p.cmd.Wait)
	tb.Cleanup(p.kill)
	return p
}

// says waits until the program has said something, and returns what it matches.
func (p *process) says(tb testing.TB, pattern string) []string {
	tb.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if found := re.FindStringSubmatch(p.stderr.String()); found != nil {
			return found
		}
		if time.Now().After(end) {
			tb.Fatalf("the program does not say %q:\n%s", pattern, p.stderr.String())
		}
	}
}

// endsWithin waits for the end, and returns the exit status; -1: a signal ended it.
func (p *process) endsWithin(tb testing.TB, most time.Duration) int {
	tb.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.wait()
	}()
	select {
	case <-ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(most):
		tb.Fatalf("the program has not ended within %v:\n%s", most, p.stderr.String())
		return 0
	}
}

func (p *process) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// admin fetches a page of the operators' port.
func (p *process) admin(tb testing.TB, path string) (code int, body string) {
	tb.Helper()
	address := p.says(tb, `msg="serving metrics, health and profiles" address=(\S+)`)[1]
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

var freePorts = []string{"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0"}

// TestOwnFilesUnderAnyName serves the directory in which everything of the program's
// own lies, moves its logs as programs for that do, and asks for all of it.
func TestOwnFilesUnderAnyName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	newCertificate(t, in("cert.pem"), in("key.pem"))
	do(os.Mkdir(in("logs"), 0o700))
	do(os.WriteFile(in("logs/server[1]-2026-01-02T03-04-05.678.log"), []byte("from before"), 0o600))
	do(os.WriteFile(in("real.log"), nil, 0o600))
	do(os.Symlink("../real.log", in("logs/server[1].log")))
	do(os.WriteFile(in("user's.log.1"), []byte("content"), 0o600))
	p := startProcess(t, append([]string{
		"--tls-cert=" + in("cert.pem"), "--tls-key=" + in("key.pem"), "--tls-client-ca=" + in("cert.pem"),
		"--data-dir=" + dir, "--log-file=" + in("logs/server[1].log"), "--log-max-size=1MiB", dir,
	}, freePorts...)...)
	if said := p.says(t, `own files lie below DIRECTORY.*`)[0]; !strings.Contains(said, "key.pem") || !strings.Contains(said, "--tls-key") ||
		!strings.Contains(said, "numbers.db") || !strings.Contains(said, "--log-file") {
		t.Errorf("it warns of %q", said)
	}
	d := legacyDoor{files: p.legacy}
	hidden := map[string]bool{}
	check := func(names ...string) {
		t.Helper()
		for _, name := range names {
			hidden[name] = true
		}
		for name := range hidden {
			if data, err := d.get(t.Context(), name); !errors.Is(err, errNotFound) {
				t.Errorf("get(%q) = %.30q, %v; want not found", name, data, err)
			}
		}
		if data, err := d.get(t.Context(), "user's.log.1"); err != nil || string(data) != "content" {
			t.Errorf("a user's file: %q, %v", data, err)
		}
	}
	check("key.pem", "cert.pem", "numbers.db", "real.log", "logs/server[1].log", "logs/server[1]-2026-01-02T03-04-05.678.log")

	// By other names.
	do(os.Link(in("numbers.db"), in("hard link")))
	do(os.Symlink("key.pem", in("symbolic link")))
	check("hard link", "symbolic link")

	// Filled until it is rotated by its size, which replaces the symbolic link.
	var filling sync.WaitGroup
	var isRotated atomic.Bool
	for range 32 { // each answer takes 20 ms
		filling.Go(func() {
			for i := 0; !isRotated.Load(); i++ {
				if _, err := d.get(t.Context(), strings.Repeat("x", 1000)); !errors.Is(err, errNotFound) || i == 20_000 {
					t.Errorf("the log is not rotated; get: %v", err)
					return
				}
				if fi, err := os.Lstat(in("logs/server[1].log")); err == nil && fi.Mode().IsRegular() {
					isRotated.Store(true)
				}
			}
		})
	}
	filling.Wait()
	rotated, err := filepath.Glob(in(`logs/server\[1\]-*.log`))
	if err != nil || len(rotated) != 2 {
		t.Fatalf("rotated: %q, %v", rotated, err)
	}
	for _, path := range rotated {
		check("logs/" + filepath.Base(path))
	}

	// Moved away as by logrotate, twice, and once elsewhere.
	for _, to := range []string{"logs/server[1].log.1", "logs/server[1].log.2", "elsewhere"} {
		do(os.Rename(in("logs/server[1].log"), in(to)))
		p.signal(t, syscall.SIGHUP)
		for end := time.Now().Add(10 * time.Second); ; {
			check(to)
			if _, err := os.Stat(in("logs/server[1].log")); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("no new log")
			}
		}
	}

	// Renewed.
	newCertificate(t, in("new.pem"), in("new key.pem"))
	do(os.Rename(in("new key.pem"), in("key.pem")))
	check("key.pem", "symbolic link")
	names, err := d.list(t.Context())
	if err != nil || len(names) != 1 {
		t.Errorf("the cache has %q, %v; want the user's file alone", names, err)
	}
}

// TestHangingLog: the program goes on while its log hangs, says so, and ends.
func TestHangingLog(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "server.log")
	if err := syscall.Mkfifo(log, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(log, os.O_RDWR, 0) // which nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	p := startProcess(t, append([]string{"--log-file=" + log, "--data-dir=" + t.TempDir(), "--drain-timeout=5s", dir}, freePorts...)...)
	cc := p.dial(t)

	// 1 kB of name each, and as much again as the log has room for.
	var files sync.WaitGroup
	var sent atomic.Int64
	req := &filesv1.GetRequest{Name: strings.Repeat("x", 1000)}
	for range 8 {
		files.Go(func() {
			for sent.Add(1) < 20_000 {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				_, _, err := download(ctx, filesv1.NewFileServiceClient(cc), req)
				cancel()
				if !strings.Contains(fmt.Sprint(err), "NotFound") {
					t.Errorf("get: %v", err)
					return
				}
			}
		})
	}
	files.Wait()
	p.says(t, `server: the log has not been written for 5s`)
	began := time.Now()
	for range 100 {
		if _, err := numbersv1.NewNumberServiceClient(cc).Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("100 draws while the log hangs: %v", time.Since(began))
	p.signal(t, syscall.SIGHUP) // must not hang anything either
	p.says(t, `msg="not serving" service=parity.log cause=.*`)
	health := grpc_health_v1.NewHealthClient(cc)
	for service, want := range map[string]grpc_health_v1.HealthCheckResponse_ServingStatus{
		"": grpc_health_v1.HealthCheckResponse_SERVING, logSubject: grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		if resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}); err != nil || resp.GetStatus() != want {
			t.Errorf("health of %q: %v, %v; want %v", service, resp, err, want)
		}
	}
	if code, body := p.admin(t, "/healthz"); code != http.StatusOK || !strings.Contains(body, "parity.log NOT_SERVING\n") {
		t.Errorf("/healthz: %d %q", code, body)
	}
	if _, body := p.admin(t, "/metrics"); !regexp.MustCompile(`(?m)^parity_log_lost_bytes_total [1-9]`).MatchString(body) {
		t.Error("the metrics do not count what is lost")
	}
	began = time.Now()
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, 5*time.Second+exitGrace); code != exitFailed {
		t.Errorf("exit status %d, want %d", code, exitFailed)
	}
	t.Logf("ended %v after SIGTERM", time.Since(began))
	if said := p.stderr.String(); !regexp.MustCompile(`server: the log hangs: the last \d+ bytes`).MatchString(said) || strings.Count(said, "has not been written") > 2 {
		t.Errorf("it says\n%s", said)
	}
}

// TestLogComesBack: when the disk answers again, so does health, and lines are written.
func TestLogComesBack(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "server.log")
	if err := syscall.Mkfifo(log, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(log, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, append([]string{"--log-file=" + log, "--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
	d := legacyDoor{files: p.legacy}
	for range 100 { // more than the pipe holds
		if _, err := d.get(t.Context(), strings.Repeat("x", 1000)); !errors.Is(err, errNotFound) {
			t.Fatal(err)
		}
	}
	p.says(t, `msg="not serving" service=parity.log`)
	var lines syncBuffer
	var reading sync.WaitGroup
	reading.Go(func() { io.Copy(&lines, pipe) })
	p.says(t, `server: the log is written again; 0 bytes of its lines were lost`)
	p.says(t, `msg="serving again" service=parity.log`)
	if err := p.terminate(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	for end := time.Now().Add(10 * time.Second); strings.Count(lines.String(), "msg=GetRequest") < 100; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines came through, want 100", strings.Count(lines.String(), "msg=GetRequest"))
		}
	}
	pipe.Close()
	reading.Wait()
}

// TestHangupBeforeMain: SIGHUP is taken before the packages are initialized that take
// long, for a service manager does not wait for main.
func TestHangupBeforeMain(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--help")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	taken := bytes.Index(trace, []byte("init example.com/parity/server/internal/hangup @"))
	for _, slow := range []string{"google.golang.org/grpc", "google.golang.org/protobuf/reflect/protodesc", "github.com/prometheus/client_golang/prometheus"} {
		if at := bytes.Index(trace, []byte("init "+slow+" @")); taken < 0 || at < taken {
			t.Errorf("%s is initialized at %d, hangup at %d of\n%s", slow, at, taken, trace)
		}
	}
}

// TestHangupEarly sends SIGHUP to a server that is still waiting for its register.
func TestHangupEarly(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := launch(t, append([]string{"--state=redis://" + silent.Addr().String(), "--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
	nc, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for range 5 {
		p.signal(t, syscall.SIGHUP)
		time.Sleep(5 * time.Millisecond) // or they become one
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, time.Minute); code < 0 {
		t.Errorf("a signal ended it: %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

// TestHangupLate sends SIGHUP with SIGTERM, as service managers do, and again and again
// while a server drains. It ends in order, and what it was told is durable.
func TestHangupLate(t *testing.T) {
	t.Parallel()
	dir, dataDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 100<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, append([]string{"--data-dir=" + dataDir, "--drain-timeout=1s", dir}, freePorts...)...)
	stalled, err := net.Dial("tcp", p.legacy)
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	if _, err := stalled.Write([]byte("big")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stalled, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	session, _, err := legacyDoor{numbers: p.legacy}.count(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	defer session.close()
	if err := errors.Join(session.report(42), drawOf(t.Context(), session, "odd")); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.wait()
	}()
	sent := 0
	for alive := true; alive; {
		select {
		case <-ended:
			alive = false
		case <-time.After(5 * time.Millisecond):
			p.cmd.Process.Signal(syscall.SIGHUP)
			sent++
		}
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK || sent < 10 {
		t.Errorf("%v after %d signals, want exit status 0\n%s", p.cmd.ProcessState, sent, p.stderr.String())
	}
	log, err := os.ReadFile(filepath.Join(dataDir, "server.log"))
	if err != nil || !bytes.Contains(log, []byte("value=42")) {
		t.Errorf("the log is not written: %v", err)
	}
	next := startProcess(t, append([]string{"--data-dir=" + dataDir, dir}, freePorts...)...)
	begin(t, legacyDoor{numbers: next.legacy}, 7, 42).close()
}

// TestHangupGateway: a gateway that stands alone has no log, and nothing to do.
func TestHangupGateway(t *testing.T) {
	t.Parallel()
	server := startProcess(t, append([]string{"--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
	p := launch(t, "gateway", "--upstream="+server.grpc, "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0")
	p.legacy = p.says(t, `msg="serving original protocols" address=(\S+)`)[1]
	for range 5 {
		p.signal(t, syscall.SIGHUP)
		time.Sleep(5 * time.Millisecond)
	}
	begin(t, legacyDoor{numbers: p.legacy}, 7, 0).close()
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGHUP)
	if code := p.endsWithin(t, time.Minute); code != exitOK {
		t.Errorf("it ended with %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

// TestPasswordStaysInside: who may look at a server need not be told its Redis's
// password.
func TestPasswordStaysInside(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	mini.RequireUserAuth("parity", "s3cr:et/@x")
	p := startProcess(t, append([]string{"--state", "redis://parity:s3cr%3Aet%2F%40x@" + mini.Addr(), "--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
	for _, path := range []string{"/debug/pprof/cmdline", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/metrics", "/healthz"} {
		if code, body := p.admin(t, path); code != http.StatusOK || strings.Contains(body, "s3cr") {
			t.Errorf("%s: %d %q", path, code, body)
		} else if path == "/debug/pprof/cmdline" && !strings.Contains(body, "--state\x00redis://REDACTED@"+mini.Addr()+"\x00--data-dir=") {
			t.Errorf("the command line is %q", body)
		}
	}
	if err := p.terminate(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	for _, mistake := range []string{"redis://parity:s3cr%3Aet@127.0.0.1:1", "redis:/parity:s3cret@127.0.0.1", "redis://parity:s3cr/et@127.0.0.1:1", "rediss//parity:s3cret@h"} {
		p := launch(t, append([]string{"--state=" + mistake, "--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
		if code := p.endsWithin(t, time.Minute); code == exitOK {
			t.Errorf("--state=%s was taken", mistake)
		}
		if said := p.stderr.String(); strings.Contains(said, "s3cr") {
			t.Errorf("it says %q", said)
		}
	}
}

// TestStartHangs: a program that cannot come to its start, because a file that it
// reads hangs, can be told to stop all the same.
func TestStartHangs(t *testing.T) {
	t.Parallel()
	cert := filepath.Join(t.TempDir(), "cert.pem")
	if err := syscall.Mkfifo(cert, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, append([]string{"--tls-cert=" + cert, "--tls-key=" + cert, "--data-dir=" + t.TempDir(), t.TempDir()}, freePorts...)...)
	listening := func() bool { // which is the last that it does before
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
		sockets := 0
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:") {
				sockets++
			}
		}
		return sockets >= 3
	}
	for end := time.Now().Add(30 * time.Second); !listening(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Skip("cannot see how far the program has come")
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, time.Minute); code != exitFailed || !strings.Contains(p.stderr.String(), "stopped while starting") {
		t.Errorf("it ended with %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

// hangingStore is one that cannot be closed.
type hangingStore struct {
	register.Store
	back chan struct{}
}

func (s hangingStore) Close() error {
	<-s.back
	return s.Store.Close()
}

// TestRegisterHangsAtTheEnd: a register that never comes to its end holds up neither
// the log, which is written, nor the program.
func TestRegisterHangsAtTheEnd(t *testing.T) {
	t.Parallel()
	s := openServer(t, "--drain-timeout=0s")
	store := hangingStore{s.store, make(chan struct{})}
	s.store = store
	defer close(store.back)
	s.log.Info("the last line")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.serve(ctx)
	if err == nil || !strings.Contains(err.Error(), "the register: hangs") {
		t.Errorf("serve = %v, want an error that names the register", err)
	}
	if log, err := os.ReadFile(s.flags.LogFile); err != nil || !bytes.Contains(log, []byte("the last line")) {
		t.Errorf("the log has %q, %v", log, err)
	}
}

// openServer opens a server in this process that does not serve yet.
func openServer(tb testing.TB, flags ...string) *server {
	tb.Helper()
	args := append(append(append([]string{}, freePorts...), "--data-dir="+tb.TempDir()), append(flags, tb.TempDir())...)
	cmd, err := parse(args, io.Discard, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := open(tb.Context(), cmd.(*serveCommand), io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

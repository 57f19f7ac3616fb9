//go:build unix

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/server/internal/register"
)

// TestHangingLog: while the log hangs, the program serves, shows it in its health, and
// can be stopped.
func TestHangingLog(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "server.log")
	if err := syscall.Mkfifo(log, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(log, os.O_RDWR, 0) // which nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	p := startProcess(t, serverArgs(t, t.TempDir(), "--log-file="+log, "--drain-timeout=5s")...)
	cc := p.dial(t)

	// Names of 1 kB fill the log's buffer twice.
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
					t.Errorf("Get: %v, want NotFound", err)
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
	p.signal(t, syscall.SIGHUP) // must not hang either
	p.says(t, `msg="not serving" service=parity.log cause=.*`)
	health := grpc_health_v1.NewHealthClient(cc)
	for service, want := range map[string]grpc_health_v1.HealthCheckResponse_ServingStatus{
		"": grpc_health_v1.HealthCheckResponse_SERVING, logSubject: grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		if resp, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}); err != nil || resp.GetStatus() != want {
			t.Errorf("Check(%q) = %v, %v; want %v", service, resp, err, want)
		}
	}
	if code, body := p.admin(t, "/healthz"); code != http.StatusOK || !strings.Contains(body, "parity.log NOT_SERVING\n") {
		t.Errorf("GET /healthz: %d %q, want status 200 and parity.log NOT_SERVING", code, body)
	}
	if _, body := p.admin(t, "/metrics"); !regexp.MustCompile(`(?m)^parity_log_lost_bytes_total [1-9]`).MatchString(body) {
		t.Error("parity_log_lost_bytes_total is 0")
	}
	began = time.Now()
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, 5*time.Second+exitGrace); code != exitFailed {
		t.Errorf("exit status %d, want %d", code, exitFailed)
	}
	t.Logf("the program exited %v after SIGTERM", time.Since(began))
	if said := p.stderr.String(); !regexp.MustCompile(`server: the log hangs: the last \d+ bytes`).MatchString(said) || strings.Count(said, "has not been written") > 2 {
		t.Errorf("stderr has no line about the last bytes of the log, or more than two warnings:\n%s", said)
	}
}

// TestLogComesBack: when the disk works again, health recovers and lines are written.
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
	p := startProcess(t, serverArgs(t, t.TempDir(), "--log-file="+log)...)
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
		t.Errorf("SIGTERM: %v", err)
	}
	for end := time.Now().Add(10 * time.Second); strings.Count(lines.String(), "msg=GetRequest") < 100; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines were written, want 100", strings.Count(lines.String(), "msg=GetRequest"))
		}
	}
	pipe.Close()
	reading.Wait()
}

// TestStartHangs: SIGTERM stops a program whose start hangs while it reads a file.
func TestStartHangs(t *testing.T) {
	t.Parallel()
	cert := filepath.Join(t.TempDir(), "cert.pem")
	if err := syscall.Mkfifo(cert, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, serverArgs(t, t.TempDir(), "--tls-cert="+cert, "--tls-key="+cert)...)
	listening := func() bool { // the last step before it reads the certificate
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
			t.Skip("cannot see in /proc how far the program has started")
		}
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, time.Minute); code != exitFailed || !strings.Contains(p.stderr.String(), "stopped while starting") {
		t.Errorf("the program ended with %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

// hangingStore is a store whose Close hangs.
type hangingStore struct {
	register.Store
	back chan struct{}
}

func (s hangingStore) Close() error {
	<-s.back
	return s.Store.Close()
}

// TestRegisterHangsAtTheEnd: a register whose Close hangs keeps neither the log from
// being written nor the program from ending.
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

// openServer opens a server in this process without serving.
func openServer(tb testing.TB, flags ...string) *server {
	tb.Helper()
	cmd, err := parse(serverArgs(tb, tb.TempDir(), flags...), io.Discard, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := open(tb.Context(), cmd.(*serveCommand), io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

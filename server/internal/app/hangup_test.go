//go:build unix

package app

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestHangup renames the log and sends SIGHUP: the program opens a new one.
func TestHangup(t *testing.T) {
	r := start(t)
	numbers := r.numbersClient(t)
	draw := func() {
		t.Helper()
		if _, err := numbers.Draw(t.Context(), &numbersv1.DrawRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	draw()
	for { // the first line must be written before the file is renamed
		if info, err := os.Stat(r.logFile); err == nil && info.Size() > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(r.logFile, r.logFile+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; {
		draw()
		if _, err := os.Stat(r.logFile); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no new log after 5 s")
		}
	}
	r.stop()
	if got := r.logged(t, "msg=DrawRequest"); len(got) == 0 {
		t.Error("the new log is empty")
	}
}

// TestHangupBeforeMain: SIGHUP is handled before the packages that take long are
// initialized, because a service manager does not wait for main.
func TestHangupBeforeMain(t *testing.T) {
	t.Parallel()
	cmd := serverCommand(t, "--help")
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
	p := launch(t, serverArgs(t, t.TempDir(), "--state=redis://"+silent.Addr().String())...)
	nc, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for range 5 {
		p.signal(t, syscall.SIGHUP)
		time.Sleep(5 * time.Millisecond) // pending signals would be merged
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.endsWithin(t, time.Minute); code < 0 {
		t.Errorf("the program was ended by a signal: %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

// TestHangupLate sends SIGHUP with SIGTERM, as service managers do, and repeatedly while
// the server drains. The shutdown is orderly, and all reports are durable.
func TestHangupLate(t *testing.T) {
	t.Parallel()
	dir, dataDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 100<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, serverArgs(t, dir, "--data-dir="+dataDir, "--drain-timeout=1s")...)
	stalled := dialOld(t, p.legacy)
	stalled.send(t, "big")
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
	sent := 0
	for alive := true; alive; {
		select {
		case <-p.ended:
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
	next := startProcess(t, serverArgs(t, dir, "--data-dir="+dataDir)...)
	begin(t, legacyDoor{numbers: next.legacy}, 7, 42).close()
}

// TestHangupGateway: a standalone gateway ignores SIGHUP.
func TestHangupGateway(t *testing.T) {
	t.Parallel()
	server := startProcess(t, serverArgs(t, t.TempDir())...)
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
		t.Errorf("the program ended with %v\n%s", p.cmd.ProcessState, p.stderr.String())
	}
}

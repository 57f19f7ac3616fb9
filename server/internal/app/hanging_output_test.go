//go:build unix

package app

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/await"
)

// TestHangingStderr: while nobody reads the operator's messages, the program accepts
// connections, which it has messages about, follows its health, and can be stopped.
func TestHangingStderr(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := serverCommand(t, serverArgs(t, dir, "--admin=127.0.0.1:0", "--grpc-connections-per-address=2", "--drain-timeout=1s")...)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })

	addresses := map[string]string{}
	announced := regexp.MustCompile(`msg="serving (gRPC|metrics)[^"]*" address=(\S+)`)
	for lines := bufio.NewScanner(r); len(addresses) < 2; {
		if !lines.Scan() {
			t.Fatalf("the program has ended: %v", lines.Err())
		}
		if found := announced.FindStringSubmatch(lines.Text()); found != nil {
			addresses[found[1]] = found[2]
		}
	}
	var filled atomic.Int64 // KiB
	go func() {
		for kib := make([]byte, 1<<10); ; filled.Add(1) {
			if _, err := w.Write(kib); err != nil {
				return // the test has ended
			}
		}
	}()
	t.Cleanup(func() { r.Close() })
	last := int64(-1)
	await.That(t, "the pipe is full", func() bool {
		full := filled.Load() == last
		last = filled.Load()
		return full
	})

	var held []net.Conn
	for range 5 { // three more than it accepts, which is worth a message
		nc, err := net.Dial("tcp", addresses["gRPC"])
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		held = append(held, nc)
	}
	for _, nc := range held {
		nc.Close()
	}
	cc, err := grpc.NewClient(addresses["gRPC"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), doorPatience)
	defer cancel()
	if _, err := numbersv1.NewNumberServiceClient(cc).Draw(ctx, &numbersv1.DrawRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("Draw: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	await.That(t, "FileService is NOT_SERVING", func() bool {
		_, health := fetchPage(t, addresses["metrics"], "/healthz")
		return strings.Contains(health, "FileService NOT_SERVING")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(doorPatience):
		t.Error("the program has not ended after SIGTERM")
	}
}

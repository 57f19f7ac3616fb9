package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// countingRelay relays TCP connections to a server that may go away, and counts the bytes
// that come from it.
type countingRelay struct {
	addr string
	came atomic.Int64 // bytes from the server
}

func startCountingRelay(tb testing.TB, server string) *countingRelay {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &countingRelay{addr: l.Addr().String()}
	var relaying sync.WaitGroup
	relaying.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			relaying.Go(func() { r.relay(client, server) })
		}
	})
	tb.Cleanup(func() { l.Close(); relaying.Wait() })
	return r
}

func (r *countingRelay) relay(client net.Conn, addr string) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return // the server is down: the client sees that its connection ends
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, client)
		server.Close()
	}()
	io.Copy(client, io.TeeReader(server, writerFunc(func(n int) { r.came.Add(int64(n)) })))
	client.Close()
	<-done
}

type writerFunc func(n int)

func (f writerFunc) Write(p []byte) (int, error) {
	f(len(p))
	return len(p), nil
}

// reach waits until so many bytes have come, or until ended is closed.
func (r *countingRelay) reach(tb testing.TB, bytes int64, ended <-chan error) {
	tb.Helper()
	for r.came.Load() < bytes {
		select {
		case err := <-ended:
			tb.Fatalf("the download ended with %v after %d bytes", err, r.came.Load())
		case <-time.After(time.Millisecond):
		}
	}
}

// TestClientOutages downloads a file while the server is killed and restarted twice, and
// the client killed once. PARITY_DOWNLOAD_MIB is the size of the file. The file must be
// whole, and little of it may come twice: what had not been verified, which is a segment or
// two of each connection each time, and under 1 % of 3 GiB.
func TestClientOutages(t *testing.T) {
	size := int64(setting(t, "PARITY_DOWNLOAD_MIB", 96)) << 20
	for _, connections := range []int64{1, 4} {
		t.Run(fmt.Sprintf("connections %d", connections), func(t *testing.T) { clientOutages(t, size, connections) })
	}
}

func clientOutages(t *testing.T, size, connections int64) {
	const outages = 3
	served, local := t.TempDir(), t.TempDir()
	sum := writeRandom(t, filepath.Join(served, "f"), size)
	port := fixedPort(t, "127.0.0.1")
	start := func() *process {
		return startProcess(t, serverArgs(t, served, "--state=memory:", "--grpc=127.0.0.1:"+port)...)
	}
	server := start()
	relay := startCountingRelay(t, "127.0.0.1:"+port)
	var stdout, stderr *syncBuffer
	get := func() (*exec.Cmd, <-chan error) {
		cmd := clientCommand(t, local, relay.addr, "--json", "get", "f", fmt.Sprintf("--parallel=%d", connections))
		stdout, stderr = new(syncBuffer), new(syncBuffer)
		cmd.Stdout, cmd.Stderr = stdout, stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		t.Cleanup(func() { cmd.Process.Kill() })
		return cmd, ended
	}

	began := time.Now()
	cmd, ended := get()
	relay.reach(t, size/4, ended)
	server.kill()
	server = start()
	relay.reach(t, size/2, ended)
	cmd.Process.Signal(syscall.SIGKILL)
	<-ended
	_, ended = get()
	relay.reach(t, 3*size/4, ended)
	server.kill()
	start()
	if err := <-ended; err != nil {
		t.Fatalf("the last run: %v, stderr %s", err, stderr.String())
	}

	var record struct {
		Status  string
		Resumed int64
	}
	if err := json.Unmarshal([]byte(stdout.String()), &record); err != nil || record.Status != "downloaded" || record.Resumed < size/4 {
		t.Errorf("the last run: %s, %v; want it resumed", stdout.String(), err)
	}
	if got := fileSum(t, filepath.Join(local, "f")); !bytes.Equal(got, sum) {
		t.Error("the file differs from the server's")
	}
	twice := relay.came.Load() - size
	t.Logf("%d bytes over %d connections in %v: %d bytes (%.2f %%) came twice or are framing; outages: %s",
		size, connections, time.Since(began).Round(time.Millisecond), twice, 100*float64(twice)/float64(size), stderr.String())
	// Segments are 4 MiB over one connection, and shared between connections.
	if most := outages*2*(4<<20) + size/500; twice > most {
		t.Errorf("%d bytes came twice, want at most %d", twice, most)
	}
	if size >= 3<<30 && twice >= size/100 {
		t.Errorf("%d bytes came twice, want less than 1 %% of %d", twice, size)
	}
}

// writeRandom writes a file of random bytes, and returns its SHA-256.
func writeRandom(tb testing.TB, path string, size int64) []byte {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.NewChaCha8([32]byte{3}), size)
	if err = errors.Join(err, f.Close()); err != nil {
		tb.Fatal(err)
	}
	return h.Sum(nil)
}

func fileSum(tb testing.TB, path string) []byte {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		tb.Fatal(err)
	}
	return h.Sum(nil)
}

package app

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clientProgram builds the client's program, once.
var clientProgram = sync.OnceValues(func() (path string, err error) {
	if _, err := program(); err != nil { // which makes buildDir
		return "", err
	}
	path = filepath.Join(buildDir, "client")
	out, err := exec.Command("go", "build", "-o", path, "example.com/parity/client").CombinedOutput()
	if err != nil {
		err = errors.New(string(out))
	}
	return path, err
})

// clientCommand is the client as its users run it in dir.
func clientCommand(tb testing.TB, dir, addr string, args ...string) *exec.Cmd {
	tb.Helper()
	path, err := clientProgram()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--addr", addr}, args...)...)
	cmd.Dir = dir
	return cmd
}

func wantContent(tb testing.TB, path string, want []byte) {
	tb.Helper()
	if got, err := os.ReadFile(path); err != nil {
		tb.Error(err)
	} else if !bytes.Equal(got, want) {
		tb.Errorf("%s has %d bytes and is not the file of %d", path, len(got), len(want))
	}
}

func writeFile(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// TestClientKeepsLocalFiles: what is given to the client are names on the server, and
// local files stay.
func TestClientKeepsLocalFiles(t *testing.T) {
	served, local := t.TempDir(), t.TempDir()
	mine := []byte("mine")
	writeFile(t, filepath.Join(served, "photo1.jpg"), []byte("the server's first"))
	writeFile(t, filepath.Join(served, "photo2.jpg"), []byte("the server's second"))
	writeFile(t, filepath.Join(local, "photo2.jpg"), mine)
	server := startProcess(t, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--state=memory:", "--data-dir="+t.TempDir(), served)

	out, err := clientCommand(t, local, server.grpc, "get", "photo1.jpg", "photo2.jpg").CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "--force") {
		t.Errorf("get ended with %v: %s", err, out)
	}
	wantContent(t, filepath.Join(local, "photo1.jpg"), []byte("the server's first"))
	wantContent(t, filepath.Join(local, "photo2.jpg"), mine)
	if out, err := clientCommand(t, local, server.grpc, "get", "photo2.jpg", "--force").CombinedOutput(); err != nil {
		t.Errorf("get --force ended with %v: %s", err, out)
	}
	wantContent(t, filepath.Join(local, "photo2.jpg"), []byte("the server's second"))
}

// relay is a TCP relay to addr that hands on so many bytes of what comes from there,
// and then none.
func relay(tb testing.TB, addr string, limit int64) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var connections sync.WaitGroup
	done := make(chan struct{})
	connections.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			connections.Go(func() { io.Copy(server, client) })
			connections.Go(func() {
				io.CopyN(client, server, limit)
				<-done
			})
			connections.Go(func() {
				<-done
				client.Close()
				server.Close()
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		close(done)
		connections.Wait()
	})
	return l.Addr().String()
}

// serveFile starts a server of a directory that has a file f of random bytes.
func serveFile(tb testing.TB, size int64) (server *process, path string, data []byte) {
	tb.Helper()
	served := tb.TempDir()
	path = filepath.Join(served, "f")
	data = randomBytes(size, 1)
	writeFile(tb, path, data)
	server = startProcess(tb, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--state=memory:", "--data-dir="+tb.TempDir(), served)
	return server, path, data
}

func randomBytes(size int64, seed byte) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// keptSegments is how much a client keeps before it is interrupted, in bytes: two of
// its segments of 16 MiB, of which the next one relies on the first.
const keptSegments = 32 << 20

// interruptGet starts a client that gets f to local, and ends it by a signal when it
// has kept that much. Its connection stops at sent bytes.
func interruptGet(tb testing.TB, server *process, local string, sent int64, signal os.Signal) (exit int, stderr string) {
	tb.Helper()
	cmd := clientCommand(tb, local, relay(tb, server.grpc, sent), "get", "f")
	var errs syncBuffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	for kept := int64(0); kept < keptSegments; time.Sleep(time.Millisecond) {
		for _, part := range partFiles(tb, local) {
			if info, err := os.Stat(part); err == nil {
				kept = info.Size()
			}
		}
	}
	cmd.Process.Signal(signal)
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), errs.String()
}

func partFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, ".f.*.part"))
	if err != nil {
		tb.Fatal(err)
	}
	return parts
}

// TestClientChecksResumed: what a killed client left is checked along with the rest, by
// the server's checksum of the whole file.
func TestClientChecksResumed(t *testing.T) {
	const size, sent = 46 << 20, 40 << 20
	server, _, data := serveFile(t, size)
	get := func(dir string, args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := clientCommand(t, dir, server.grpc, append([]string{"--json", "get", "f"}, args...)...)
		var out, errs syncBuffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("get ended with %v: %s", err, errs.String())
		}
		return out.String(), errs.String()
	}
	get(t.TempDir()) // the file is in the cache from here on

	local := t.TempDir()
	interruptGet(t, server, local, sent, syscall.SIGKILL)
	out, errs := get(local)
	if !strings.Contains(out, `"verified":"file"`) || strings.Contains(out, `"resumed":0,`) {
		t.Errorf("resumed: %s%s", out, errs)
	}
	wantContent(t, filepath.Join(local, "f"), data)

	local = t.TempDir()
	interruptGet(t, server, local, sent, syscall.SIGKILL)
	for _, part := range partFiles(t, local) {
		f, err := os.OpenFile(part, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("spoilt"), 5)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	out, errs = get(local)
	if !strings.Contains(out, `"verified":"file"`) || !strings.Contains(out, `"resumed":0,`) || !strings.Contains(errs, "starting again") {
		t.Errorf("resumed on a spoilt disk: %s%s", out, errs)
	}
	wantContent(t, filepath.Join(local, "f"), data)
}

// TestClientResumesOneFile: a download is interrupted, and the file overwritten in
// place with its time put back. What arrives in the end is the one file or the other,
// not the first half of one and the second of the other.
func TestClientResumesOneFile(t *testing.T) {
	const size, sent = 68 << 20, 50 << 20
	server, path, _ := serveFile(t, size)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	local := t.TempDir()
	exit, stderr := interruptGet(t, server, local, sent, os.Interrupt)
	if exit != 130 || !strings.Contains(stderr, "interrupt signal received") || !strings.Contains(stderr, "are kept in") {
		t.Errorf("Ctrl-C: exit status %d, %q", exit, stderr)
	}
	interruptGet(t, server, local, sent, syscall.SIGKILL)

	after := randomBytes(size, 2)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(after); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if out, err := clientCommand(t, local, server.grpc, "get", "f").CombinedOutput(); err != nil {
		t.Fatalf("get ended with %v: %s", err, out)
	}
	wantContent(t, filepath.Join(local, "f"), after)
}

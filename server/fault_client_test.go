package main

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
	out, err := exec.Command("go", "build", "-o", path, "../client").CombinedOutput()
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

// TestClientResumesOneFile: a download is interrupted, and the file overwritten in
// place with its time put back. What arrives in the end is the one file or the other,
// not the first half of one and the second of the other.
func TestClientResumesOneFile(t *testing.T) {
	// The client keeps segments of 16 MiB, and relies on all but the last.
	const size, sent = 68 << 20, 50 << 20
	random := func(seed byte) []byte {
		data := make([]byte, size)
		rand.NewChaCha8([32]byte{seed}).Read(data)
		return data
	}
	served, local := t.TempDir(), t.TempDir()
	path := filepath.Join(served, "f")
	writeFile(t, path, random(1))
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	server := startProcess(t, "--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=", "--state=memory:", "--data-dir="+t.TempDir(), served)

	interrupt := func(signal os.Signal) (exit int, stderr string) {
		cmd := clientCommand(t, local, relay(t, server.grpc, sent), "get", "f")
		var errs syncBuffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for kept := int64(0); kept < 32<<20; time.Sleep(time.Millisecond) {
			parts, _ := filepath.Glob(filepath.Join(local, ".f.*.part"))
			for _, part := range parts {
				if info, err := os.Stat(part); err == nil {
					kept = info.Size()
				}
			}
		}
		cmd.Process.Signal(signal)
		cmd.Wait()
		return cmd.ProcessState.ExitCode(), errs.String()
	}
	if exit, stderr := interrupt(os.Interrupt); exit != 130 || !strings.Contains(stderr, "are kept in") {
		t.Errorf("Ctrl-C: exit status %d, %q", exit, stderr)
	}
	interrupt(syscall.SIGKILL)

	after := random(2)
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

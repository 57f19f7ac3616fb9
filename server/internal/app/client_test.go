package app

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
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

// clientProgram builds the client, once.
var clientProgram = sync.OnceValues(func() (path string, err error) {
	if _, err := program(); err != nil { // it creates buildDir
		return "", err
	}
	path = filepath.Join(buildDir, "client")
	out, err := exec.Command("go", "build", "-o", path, "example.com/parity/client").CombinedOutput()
	if err != nil {
		err = errors.New(string(out))
	}
	return path, err
})

// clientCommand returns a command that runs the client in dir.
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

// wantContent checks the content of a local file.
func wantContent(tb testing.TB, path string, want []byte) {
	tb.Helper()
	if got, err := os.ReadFile(path); err != nil {
		tb.Error(err)
	} else if !bytes.Equal(got, want) {
		tb.Errorf("%s has %d bytes that differ from the %d wanted", path, len(got), len(want))
	}
}

func writeFile(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// TestClientKeepsLocalFiles: the arguments of get are names on the server. An existing
// local file of such a name is kept unless --force is given.
func TestClientKeepsLocalFiles(t *testing.T) {
	served, local := t.TempDir(), t.TempDir()
	mine := []byte("mine")
	writeFile(t, filepath.Join(served, "photo1.jpg"), []byte("the server's first"))
	writeFile(t, filepath.Join(served, "photo2.jpg"), []byte("the server's second"))
	writeFile(t, filepath.Join(local, "photo2.jpg"), mine)
	server := startProcess(t, serverArgs(t, served, "--state=memory:")...)

	out, err := clientCommand(t, local, server.grpc, "get", "photo1.jpg", "photo2.jpg").CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "--force") {
		t.Errorf("get over an existing file: %v, output %s; want exit status 1 and a hint at --force", err, out)
	}
	wantContent(t, filepath.Join(local, "photo1.jpg"), []byte("the server's first"))
	wantContent(t, filepath.Join(local, "photo2.jpg"), mine)
	if out, err := clientCommand(t, local, server.grpc, "get", "photo2.jpg", "--force").CombinedOutput(); err != nil {
		t.Errorf("get --force: %v, output %s", err, out)
	}
	wantContent(t, filepath.Join(local, "photo2.jpg"), []byte("the server's second"))
}

// startRelay starts a TCP relay to addr for one connection and returns its address. It
// forwards at most limit bytes from addr and then stalls.
func startRelay(tb testing.TB, addr string, limit int64) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	var relaying sync.WaitGroup
	relaying.Go(func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", addr)
		if err != nil {
			tb.Error(err)
			return
		}
		defer server.Close()
		relaying.Go(func() {
			io.Copy(server, client)
			server.Close()
		})
		io.CopyN(client, server, limit)
		<-done
	})
	tb.Cleanup(func() {
		l.Close()
		close(done)
		relaying.Wait()
	})
	return l.Addr().String()
}

// serveFile starts a server whose directory holds a file f of random bytes.
func serveFile(tb testing.TB, size int64) (server *process, path string, data []byte) {
	tb.Helper()
	served := tb.TempDir()
	path = filepath.Join(served, "f")
	data = randomBytes(size, 1)
	writeFile(tb, path, data)
	server = startProcess(tb, serverArgs(tb, served, "--state=memory:")...)
	return server, path, data
}

func randomBytes(size int64, seed byte) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// keptAtLeast is how many bytes a client has kept when it is interrupted.
const keptAtLeast = 32 << 20

// interruptGet starts a client that downloads f, of size bytes, to local through a relay
// that stalls after sent bytes. It signals the client when that has kept keptAtLeast bytes,
// and returns its exit status and its output on stderr.
func interruptGet(tb testing.TB, server *process, local string, size, sent int64, signal os.Signal) (exit int, stderr string) {
	tb.Helper()
	cmd := clientCommand(tb, local, startRelay(tb, server.grpc, sent), "get", "f")
	var errs syncBuffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	for kept := int64(0); kept < keptAtLeast; time.Sleep(time.Millisecond) {
		for _, part := range partFiles(tb, local) {
			kept = heldBytes(tb, part, size)
		}
	}
	cmd.Process.Signal(signal)
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), errs.String()
}

// heldBytes returns how many bytes of a file of size bytes a part file holds, by the
// journal behind them: records of 24 bytes, with the length of a range in bytes 8 to 15.
func heldBytes(tb testing.TB, part string, size int64) (held int64) {
	tb.Helper()
	f, err := os.Open(part)
	if errors.Is(err, os.ErrNotExist) { // it is complete by now
		return size
	} else if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	journal, err := io.ReadAll(io.NewSectionReader(f, size, math.MaxInt64-size))
	if err != nil {
		tb.Fatal(err)
	}
	for ; len(journal) >= 24; journal = journal[24:] {
		held += int64(binary.LittleEndian.Uint64(journal[8:]))
	}
	return held
}

// partFiles returns the partial downloads of f in dir.
func partFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, ".f.*.part"))
	if err != nil {
		tb.Fatal(err)
	}
	return parts
}

// TestClientChecksResumed: a resumed download is verified by the server's checksum of
// the whole file, including the part that a killed client left.
func TestClientChecksResumed(t *testing.T) {
	const size, sent = 46 << 20, 40 << 20
	server, _, data := serveFile(t, size)
	get := func(dir string, args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := clientCommand(t, dir, server.grpc, append([]string{"--json", "get", "f"}, args...)...)
		var out, errs syncBuffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("get: %v, stderr %s", err, errs.String())
		}
		return out.String(), errs.String()
	}
	get(t.TempDir()) // fills the cache, which then knows the checksum

	local := t.TempDir()
	interruptGet(t, server, local, size, sent, syscall.SIGKILL)
	out, errs := get(local)
	if !strings.Contains(out, `"verified":"file"`) || strings.Contains(out, `"resumed":0,`) {
		t.Errorf("resumed download: %s%s; want it verified and not begun again", out, errs)
	}
	wantContent(t, filepath.Join(local, "f"), data)

	local = t.TempDir()
	interruptGet(t, server, local, size, sent, syscall.SIGKILL)
	for _, part := range partFiles(t, local) {
		f, err := os.OpenFile(part, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("corrupt"), 5)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	out, errs = get(local)
	if !strings.Contains(out, `"verified":"file"`) || strings.Contains(out, `"resumed":0,`) {
		t.Errorf("resumed from a corrupt part: %s%s; want the rest of it used, and verified", out, errs)
	}
	wantContent(t, filepath.Join(local, "f"), data)
}

// TestClientResumesOneFile interrupts a download, then overwrites the file in place and
// restores its modification time. The resumed download must yield the new content, not
// a mixture of both.
func TestClientResumesOneFile(t *testing.T) {
	const size, sent = 68 << 20, 50 << 20
	server, path, _ := serveFile(t, size)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	local := t.TempDir()
	exit, stderr := interruptGet(t, server, local, size, sent, os.Interrupt)
	if exit != 130 || !strings.Contains(stderr, "interrupted, ") || !strings.Contains(stderr, " kept; run again to go on") {
		t.Errorf("after an interrupt: exit status %d, stderr %q; want 130 and how much is kept", exit, stderr)
	}
	interruptGet(t, server, local, size, sent, syscall.SIGKILL)

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
		t.Fatalf("get: %v, output %s", err, out)
	}
	wantContent(t, filepath.Join(local, "f"), after)
}

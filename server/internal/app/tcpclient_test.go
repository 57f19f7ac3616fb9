package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tcpClientProgram builds tcp_client, once.
var tcpClientProgram = sync.OnceValues(func() (path string, err error) {
	if _, err := program(); err != nil { // it creates buildDir
		return "", err
	}
	path = filepath.Join(buildDir, "tcp_client")
	out, err := exec.Command("go", "build", "-o", path, "example.com/parity/client/tcp_client").CombinedOutput()
	if err != nil {
		err = errors.New(string(out))
	}
	return path, err
})

// TestTCPClient runs tcp_client against the server, which answers as the original one did:
// with bare numbers, and with another text for a missing file.
func TestTCPClient(t *testing.T) {
	served, local := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(served, "f"), []byte("content"))
	writeFile(t, filepath.Join(local, "f"), []byte("old"))
	server := startProcess(t, serverArgs(t, served, "--state=memory:", "--legacy-bare-replies", "--legacy-not-found=Gone")...)
	path, err := tcpClientProgram()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(server.legacy)
	if err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{host, port, "f", local}, 0, "f: 7 bytes"},
		{[]string{host, port, "list"}, 0, "f\n"},
		{[]string{"--not-found", "Gone", host, port, "g", local}, 3, "File not found\n"},
		{[]string{host, port, "g", local}, 0, `g: 4 bytes: "Gone"`},
		{[]string{"--help"}, 0, "usage: tcp_client HOST PORT list"},
		{[]string{host}, 2, "usage: tcp_client HOST PORT list"},
	} {
		cmd := exec.Command(path, tt.args...)
		out, err := cmd.CombinedOutput()
		if status := cmd.ProcessState.ExitCode(); status != tt.status || !strings.Contains(string(out), tt.says) {
			t.Errorf("tcp_client %q: %v, %s; want status %d, %q", tt.args, err, out, tt.status, tt.says)
		}
	}
	wantContent(t, filepath.Join(local, "f"), []byte("content"))

	cmd := exec.Command(path, host, port)
	typed, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	values, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(typed, "c\n")
	// The first increment is 1. A drawn one is seen by a step that is not 1, unless 1 is
	// drawn, and then by a later one.
	lines := bufio.NewScanner(values)
	for last, step := 0, 1; step == 1 && lines.Scan(); {
		var value int
		if _, err := fmt.Sscan(lines.Text(), &value); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		last, step = value, value-last
		if step < 0 || step > 99 {
			t.Fatalf("counted by %d to %d", step, value)
		}
	}
	io.WriteString(typed, "exit\n")
	io.Copy(io.Discard, values)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the number client: %v", err)
	}
}

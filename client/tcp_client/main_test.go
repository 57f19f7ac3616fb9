package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/parity/internal/tcptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers each connection with script and then closes it. It returns the
// host and the port.
func serve(t *testing.T, script func(net.Conn)) (host, port string) {
	t.Helper()
	addr := tcptest.Serve(t, func(conn *net.TCPConn) { script(conn) })
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}

// answer returns a script that answers a request for a file from files.
func answer(files map[string]string) func(net.Conn) {
	return func(conn net.Conn) {
		request := make([]byte, 1024)
		n, _ := conn.Read(request)
		content, ok := files[string(request[:n])]
		if !ok {
			content = "File not found"
		}
		io.WriteString(conn, content)
	}
}

// program runs the client as main does.
func program(ctx context.Context, in io.Reader, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = execute(ctx, args, streams{in, &out, &errs})
	return status, out.String(), errs.String()
}

// wantFiles checks the files of dir, by name.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, ok := want[e.Name()]
		if got, err := os.ReadFile(filepath.Join(dir, e.Name())); !ok || err != nil || string(got) != content {
			t.Errorf("%s has %d bytes, %v, want %v, %d bytes", e.Name(), len(got), err, ok, len(content))
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}

func TestUsage(t *testing.T) {
	for args, says := range map[string]string{
		"": "wrong number of arguments", "localhost": "wrong number", "localhost 2004 get": "wrong number",
		"localhost 2004 a b c": "wrong number", "--not": "-not", "--not-found": "needs an argument", "--list localhost 2004": "-list",
	} {
		status, out, errs := program(t.Context(), strings.NewReader(""), strings.Fields(args)...)
		if status != 2 || out != "" || !strings.Contains(errs, says) || !strings.Contains(errs, "usage: ") {
			t.Errorf("tcp_client %s: status %d, %q, %q", args, status, out, errs)
		}
	}
	for _, args := range []string{"--help", "-h", "-help", "--help localhost 2004"} {
		status, out, errs := program(t.Context(), strings.NewReader(""), strings.Fields(args)...)
		if status != 0 || !strings.HasPrefix(out, "usage: ") || !strings.Contains(out, "--not-found") || errs != "" {
			t.Errorf("tcp_client %s: status %d, %q, %q", args, status, out, errs)
		}
	}
	if status, out, errs := program(t.Context(), nil, "--version"); status != 0 || !strings.HasPrefix(out, "parity ") || errs != "" {
		t.Errorf("tcp_client --version: status %d, %q, %q", status, out, errs)
	}
	for _, args := range []string{"127.0.0.1 1 list", "127.0.0.1 1 f " + t.TempDir()} {
		if status, _, errs := program(t.Context(), strings.NewReader(""), strings.Fields(args)...); status != 1 || !strings.Contains(errs, "refused") {
			t.Errorf("tcp_client %s: status %d, %q", args, status, errs)
		}
	}
}

func TestList(t *testing.T) {
	// ['f32', 'a b', 'x\x1b[2J'], as Python's pickle.dumps(names, protocol=2) has it.
	pickle := "\x80\x02]q\x00(X\x03\x00\x00\x00f32q\x01X\x03\x00\x00\x00a bq\x02X\x05\x00\x00\x00x\x1b[2Jq\x03e."
	host, port := serve(t, answer(map[string]string{"list": pickle}))
	status, out, errs := program(t.Context(), nil, host, port, "list")
	if want := "f32\na b\nx\\x1b[2J\n"; status != 0 || out != want {
		t.Errorf("status %d, %q, %q, want %q", status, out, errs, want)
	}
}

func TestFetch(t *testing.T) {
	big := strings.Repeat("content", 100_000)
	host, port := serve(t, answer(map[string]string{
		"f": "content", "empty": "", "big": big, "a b/c d": "spaces",
		"../../x": "hostile", "/etc/passwd": "hostile", "..": "hostile", "a\x1b]0;t\x07": "hostile",
	}))
	for name, want := range map[string]struct {
		status        int
		file, content string
	}{
		"f":             {0, "f", "content"},
		"empty":         {0, "empty", ""},
		"big":           {0, "big", big},
		"a b/c d":       {0, "c d", "spaces"},
		"../../x":       {0, "x", "hostile"},
		"/etc/passwd":   {0, "passwd", "hostile"},
		"a\x1b]0;t\x07": {0, "a_]0;t_", "hostile"},
		"..":            {1, "", ""},
		"none":          {3, "", ""},
	} {
		outer := t.TempDir()
		dir := filepath.Join(outer, "dir")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		status, out, errs := program(t.Context(), nil, host, port, name, dir)
		if status != want.status || out != "" || strings.Contains(errs, "\x1b") {
			t.Errorf("%q: status %d, %q, %q, want %d", name, status, out, errs, want.status)
		}
		entries, _ := os.ReadDir(dir)
		if want.file == "" {
			if len(entries) != 0 {
				t.Errorf("%q left %v", name, entries)
			}
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, want.file))
		if err != nil || string(got) != want.content || len(entries) != 1 {
			t.Errorf("%q: %d bytes, %v, in %v", name, len(got), err, entries)
		}
		if outside, _ := os.ReadDir(outer); len(outside) != 1 {
			t.Errorf("%q left %v", name, outside)
		}
	}
}

// A download replaces a file as the original client did, but keeps its permissions, and
// what is no file.
func TestFetchReplaces(t *testing.T) {
	host, port := serve(t, answer(map[string]string{"f": "new", "link": "new", "dir": "new"}))
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(path("f"), []byte("old and longer"), 0o600), os.Chmod(path("f"), 0o640),
		os.WriteFile(path("target"), []byte("old"), 0o600), os.Symlink("target", path("link")),
		os.Mkdir(path("dir"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"f": 0, "link": 0, "dir": 1, "none": 3} {
		if status, _, errs := program(t.Context(), nil, host, port, name, dir); status != want {
			t.Errorf("%s: status %d, %q, want %d", name, status, errs, want)
		}
	}
	for name, want := range map[string]string{"f": "new", "link": "new", "target": "old"} {
		if got, err := os.ReadFile(path(name)); string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if info, err := os.Lstat(path("f")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the new f has %v, %v, want the permissions of the old one, 0640", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("left %v", entries)
	}
}

// An interrupted download ends with the status of an interrupt, and leaves the old file.
func TestFetchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	host, port := serve(t, func(conn net.Conn) {
		io.WriteString(conn, strings.Repeat("half", 10_000))
		conn.Read(make([]byte, 1024))
		cancel()
		io.Copy(io.Discard, conn)
	})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := program(ctx, nil, host, port, "f", dir); status != 130 || !strings.Contains(errs, "interrupted") {
		t.Errorf("status %d, %q, want 130", status, errs)
	}
	wantFiles(t, dir, map[string]string{"f": "old"})
}

// A reset connection leaves no partial file, and the old file unchanged.
func TestFetchReset(t *testing.T) {
	host, port := serve(t, func(conn net.Conn) {
		conn.Read(make([]byte, 1024))
		io.WriteString(conn, strings.Repeat("half", 10_000))
		time.Sleep(10 * time.Millisecond) // so that some of it arrives
		conn.(*net.TCPConn).SetLinger(0)
	})
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := program(t.Context(), nil, host, port, "f", dir); status != 1 || !strings.Contains(errs, "reset") {
		t.Errorf("status %d, %q", status, errs)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file is %q now", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
	if status, _, errs := program(t.Context(), nil, host, port, "f", filepath.Join(dir, "none")); status != 1 || !strings.Contains(errs, "no such file or directory") {
		t.Errorf("to no directory: status %d, %q", status, errs)
	}
}

// transcript is a number server for one client that records what it receives.
type transcript struct {
	mu    sync.Mutex
	value string
	ids   []string
	heard string
	ended chan struct{} // receives when a connection has ended
}

func (s *transcript) serve(conn net.Conn) {
	buf := make([]byte, 64)
	n, _ := conn.Read(buf)
	s.mu.Lock()
	s.ids = append(s.ids, string(buf[:n]))
	value := s.value
	s.mu.Unlock()
	io.WriteString(conn, value+" ")
	for {
		n, err := conn.Read(buf)
		if err != nil {
			s.ended <- struct{}{}
			return
		}
		s.mu.Lock()
		s.heard += string(buf[:n])
		if n > 1 {
			s.value = string(buf[:n-1])
		}
		s.mu.Unlock()
	}
}

func TestCount(t *testing.T) {
	server := &transcript{value: "0", ended: make(chan struct{})}
	host, port := serve(t, server.serve)
	in, typed := io.Pipe()
	defer typed.Close()
	values, out := io.Pipe()
	var errs bytes.Buffer
	done := make(chan error)
	go func() {
		err := run(t.Context(), []string{host, port}, streams{in, out, &errs})
		out.Close()
		done <- err
	}()

	io.WriteString(typed, "c\n")
	last := 0
	for lines := bufio.NewScanner(values); lines.Scan(); {
		last++
		if lines.Text() != fmt.Sprint(last) {
			t.Errorf("counted to %s, want %d", lines.Text(), last)
		}
		switch last {
		case 2:
			io.WriteString(typed, "s\n")
			<-server.ended
			io.WriteString(typed, "c\n")
		case 3:
			io.WriteString(typed, "exit\n")
			<-server.ended
		}
	}
	if err := <-done; err != nil {
		t.Errorf("run = %v, %q", err, errs.String())
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.heard != "1 2 3 " || len(server.ids) != 2 || server.ids[0] != server.ids[1] {
		t.Errorf("the server heard %q from clients %q", server.heard, server.ids)
	}
}

// The number dialect does not tell the increment: it is 1 at first, and then
// what was drawn last.
func TestCountIncrement(t *testing.T) {
	host, port := serve(t, func(conn net.Conn) {
		conn.Read(make([]byte, 64))
		io.WriteString(conn, "59 ")
		conn.Read(make([]byte, 64))
		io.WriteString(conn, "42 ")
		conn.Read(make([]byte, 64))
	})
	dial := dialer(net.JoinHostPort(host, port), 7)
	for _, want := range []int32{1, 42} {
		s, start, err := dial(t.Context())
		if err != nil || start.Value != 59 || start.Increment != want {
			t.Fatalf("dial = %+v, %v, want increment %d", start, err, want)
		}
		if n, err := s.Draw(t.Context(), 0); n != 42 || err != nil {
			t.Errorf("Draw = %d, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

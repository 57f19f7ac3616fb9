//go:build unix

package app

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// activated returns a command that runs the server with inherited sockets, as a service
// manager does.
func activated(t *testing.T, sockets map[string]string, args ...string) (cmd *exec.Cmd, addrs map[string]string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, path}, args...)...)
	addrs = map[string]string{}
	var names []string
	for name, address := range sockets {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		names, addrs[name] = append(names, name), l.Addr().String()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+string(rune('0'+len(names))), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	return cmd, addrs
}

// TestInheritedSockets serves on sockets that were open before the program started, and a
// client was waiting already.
func TestInheritedSockets(t *testing.T) {
	t.Parallel()
	notifications, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notifications.Close()
	cmd, addrs := activated(t, map[string]string{"grpc": "127.0.0.1:0", "legacy": "127.0.0.1:0"}, serverArgs(t, t.TempDir())...)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+notifications.LocalAddr().String())
	early, err := net.Dial("tcp", addrs["legacy"])
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := early.Write([]byte("7 ")); err != nil {
		t.Fatal(err)
	}
	p := startCommand(t, cmd)
	if p.grpc != addrs["grpc"] || p.legacy != addrs["legacy"] {
		t.Errorf("it serves at %s and %s, want the inherited %v", p.grpc, p.legacy, addrs)
	}
	answer := make([]byte, 2)
	early.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := early.Read(answer); err != nil || string(answer) != "0 " {
		t.Errorf("the client that waited gets %q, %v", answer, err)
	}
	commitReport(t, begin(t, rpcDoor{p.dial(t)}, 8, 0), 12)
	if err := p.terminate(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	said := map[string]bool{}
	notifications.SetReadDeadline(time.Now().Add(time.Second))
	for buffer := make([]byte, 100); ; {
		n, err := notifications.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		said[string(buffer[:n])] = true
	}
	if !said["READY=1"] || !said["STOPPING=1"] {
		t.Errorf("the service manager was told %v, want that it is ready and stopping", said)
	}
}

// TestInheritedMistakes: sockets that the flags do not permit, or have no flag for, are
// refused.
func TestInheritedMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sockets map[string]string
		want    string
	}{
		"gRPC without TLS":      {map[string]string{"grpc": "0.0.0.0:0"}, "--insecure"},
		"admin without consent": {map[string]string{"admin": "0.0.0.0:0"}, "--insecure"},
		"legacy-tls without":    {map[string]string{"legacy-tls": "127.0.0.1:0"}, "--tls-cert"},
		"unknown":               {map[string]string{"number": "127.0.0.1:0"}, `"number"`},
	} {
		cmd, _ := activated(t, tt.sockets, serverArgs(t, t.TempDir())...)
		p := launchCommand(t, cmd)
		if code := p.endsWithin(t, time.Minute); code == exitOK || !strings.Contains(p.stderr.String(), tt.want) {
			t.Errorf("%s: exit status %d, %q; want %s", name, code, p.stderr, tt.want)
		}
	}
}

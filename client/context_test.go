package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// newConfig gives the test a configuration directory of its own.
func newConfig(tb testing.TB) {
	tb.Helper()
	dir := tb.TempDir()
	setenv := tb.(interface{ Setenv(key, value string) }).Setenv
	setenv("XDG_CONFIG_HOME", dir)
	setenv("HOME", dir)    // where it is on macOS
	setenv("AppData", dir) // on Windows
}

func TestContexts(t *testing.T) {
	newConfig(t)
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	for _, c := range []struct {
		args   string
		status int
		out    string
		errs   string
	}{
		{"context list", 0, "", "no contexts; client context add NAME --addr HOST:PORT makes one\n"},
		{"context show", 1, "", "client: there is no current context; client context use NAME makes one current\n"},
		{"context add lab", 2, "", "client: set --addr or another flag of the server: the context is to have it\n"},
		{"context add lab --addr " + server.Addr, 0, "", ""},
		{"context add lab --addr x:1", 1, "", "client: context \"lab\" exists; --force replaces it\n"},
		{"context add far --addr far.invalid:1 --tls", 0, "", ""},
		{"context list", 0, "CURRENT  NAME  FLAGS\n         far   --addr=far.invalid:1 --tls=true\n         lab   --addr=" + server.Addr + "\n", ""},
		{"--context lab draw odd", 0, "57\n", ""},
		{"--context none draw", 2, "", "client: context: there is no context \"none\", only far, lab\n"},
		{"context use lab", 0, "", ""},
		{"draw odd", 0, "57\n", ""},
		{"--addr localhost:1 draw", 1, "", "client: cannot reach localhost:1: connection refused (is the server running?)\n"},
		{"--context far draw", 1, "", "client: cannot reach far.invalid:1: no such host (is the name right?)\n"},
		{"context show", 0, "--addr       " + server.Addr + "\n", ""},
		{"--json context show far", 0, `{"name":"far","current":false,"flags":{"addr":"far.invalid:1","tls":"true"}}` + "\n", ""},
		{"--json context list", 0, `{"name":"far","current":false,"flags":{"addr":"far.invalid:1","tls":"true"}}` + "\n" +
			`{"name":"lab","current":true,"flags":{"addr":"` + server.Addr + `"}}` + "\n", ""},
		{"context use none", 1, "", "client: there is no context \"none\", only far, lab\n"},
		{"context use --none", 0, "", ""},
		{"context show", 1, "", "client: there is no current context; client context use NAME makes one current\n"},
		{"context use far", 0, "", ""},
		{"context remove far", 0, "", ""},
		{"context remove far", 1, "", "client: there is no context \"far\", only lab\n"},
		{"context list", 0, "CURRENT  NAME  FLAGS\n         lab   --addr=" + server.Addr + "\n", ""},
	} {
		if status, out, errs := runProgram(t.Context(), "", strings.Fields(c.args)...); status != c.status || out != c.out || errs != c.errs {
			t.Errorf("client %s: status %d, %q, %q, want %d, %q, %q", c.args, status, out, errs, c.status, c.out, c.errs)
		}
	}
}

// TestContextEnvironment: --context goes before the environment, which goes before
// $PARITY_CLIENT_CONTEXT and the current context.
func TestContextEnvironment(t *testing.T) {
	newConfig(t)
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	client := func(want int, args ...string) {
		t.Helper()
		if status, _, errs := runProgram(t.Context(), "", args...); status != want {
			t.Errorf("client %q: status %d, %q", args, status, errs)
		}
	}
	client(0, "context", "add", "lab", "--addr", server.Addr)
	client(0, "context", "add", "dead", "--addr", "localhost:1")
	client(0, "context", "use", "dead")
	client(1, "draw")
	t.Setenv("PARITY_CLIENT_CONTEXT", "lab")
	client(0, "draw")
	client(1, "--context", "dead", "draw")
	t.Setenv("PARITY_CLIENT_ADDR", "localhost:1")
	client(1, "draw")
	client(0, "--context", "lab", "draw")
	client(1, "--context", "lab", "--addr", "localhost:1", "draw")
}

// TestContextFiles: a context leads to the same files from every directory.
func TestContextFiles(t *testing.T) {
	newConfig(t)
	dir := t.TempDir()
	tlstest.New(t, dir)
	t.Chdir(dir)
	if status, _, errs := runProgram(t.Context(), "", "context", "add", "lab", "--tls-ca", "cert.pem"); status != 0 {
		t.Errorf("status %d, %q", status, errs)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if _, out, _ := runProgram(t.Context(), "", "context", "show", "lab"); err != nil || out != "--tls-ca     "+filepath.Join(dir, "cert.pem")+"\n" {
		t.Errorf("%q, %v", out, err)
	}
	if status, _, errs := runProgram(t.Context(), "", "context", "add", "bad", "--tls-ca", "none.pem"); status != 1 || !strings.Contains(errs, "--tls-ca") {
		t.Errorf("status %d, %q", status, errs)
	}
}

// TestContextBroken: a broken file stops what needs it, and says which it is.
func TestContextBroken(t *testing.T) {
	newConfig(t)
	if status, _, errs := runProgram(t.Context(), "", "context", "add", "lab", "--addr", "localhost:1"); status != 0 {
		t.Fatal(errs)
	}
	path := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "parity", "contexts.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]int{"draw": 2, "context list": 1, "--version": 0, "help get": 0, "--addr localhost:1 --tls draw": 2} {
		status, _, errs := runProgram(t.Context(), "", strings.Fields(args)...)
		if status != want || want != 0 && !strings.Contains(errs, path) {
			t.Errorf("client %s: status %d, %q", args, status, errs)
		}
	}
}

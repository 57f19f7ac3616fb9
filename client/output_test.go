package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

// fullDisk is a writer that always fails.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestOutputFails(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", []byte("data"))
	server := fakeserver.Start(t, files, new(fakeserver.Numbers))
	for _, args := range []string{"draw", "clients", "list", "get f -o -", "count", "count --json"} {
		err := run(t.Context(), append([]string{"--addr", server.Addr}, strings.Fields(args)...), streams{strings.NewReader(""), fullDisk{}, new(bytes.Buffer)})
		if !errors.Is(err, errFull) {
			t.Errorf("client %s = %v", args, err)
		}
	}
}

// TestComplaints: errors are sentences for people, and objects with --json.
func TestComplaints(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", nil)
	server := fakeserver.Start(t, files, nil)
	for args, want := range map[string]string{
		"--addr localhost:1 draw":               "client: cannot reach localhost:1: connection refused (is the server running?)\n",
		"--addr localhost:1 --json draw":        `{"message":"cannot reach localhost:1: connection refused (is the server running?)","code":"UNAVAILABLE","reason":"UNREACHABLE","subject":"localhost:1"}` + "\n",
		"--addr " + server.Addr + " draw":       "client: " + server.Addr + " does not have this function: it is another server, or an older one\n",
		"draw --json seven":                     `{"message":"[\u003cparity\u003e] must be one of \"even\",\"odd\",\"any\" but got \"seven\"","reason":"USAGE"}` + "\n",
		"bench get":                             "client: missing flags: --file=NAME (see client bench get --help)\n",
		"f\x1bly":                               "client: unexpected argument f\\x1bly (see client --help)\n",
		"--addr localhost draw":                 "client: --addr: address localhost: missing port in address\n",
		"--tls-ca /none draw":                   "client: --tls-ca: open /none: no such file or directory\n",
		"--tls --addr " + server.Addr + " draw": "client: cannot reach " + server.Addr + ": it does not speak TLS (leave out --tls and the other flags of TLS, or is the port another one?)\n",
	} {
		if _, out, errs := runProgram(t.Context(), "", strings.Fields(args)...); errs != want || out != "" {
			t.Errorf("client %s: %q, %q, want %q", args, out, errs, want)
		}
	}
}

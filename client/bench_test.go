package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"example.com/parity/client/bench"
	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// runBench runs the program with args behind "bench".
func runBench(tb testing.TB, addr string, args ...string) (stdout string, err error) {
	tb.Helper()
	var out, said bytes.Buffer
	args = append([]string{"--addr", addr, "--json", "bench"}, args...)
	err = run(tb.Context(), args, streams{strings.NewReader(""), &out, &said})
	if said.Len() > 0 {
		tb.Errorf("%q said %q, want nothing where there is no terminal", args, said.String())
	}
	return out.String(), err
}

func TestBench(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("f", make([]byte, 4096))
	s := fakeserver.Start(t, files, new(fakeserver.Numbers))
	for _, args := range []string{
		"get --file f --clients 3 --connections 2",
		"get --file f --download",
		"draw --clients 2",
		"count --clients 2 --first-id 9",
	} {
		out, err := runBench(t, s.Addr, append(strings.Fields(args), "--for", "300ms")...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
		var r bench.Result
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%s printed %q: %v", args, out, err)
		}
		if r.Operations == 0 || r.Errors != 0 {
			t.Errorf("%s: %d operations and %d errors %q, want some and none", args, r.Operations, r.Errors, r.Examples)
		}
	}
}

// TestBenchErrors has answers that are wrong: the result is printed, and the program fails.
func TestBenchErrors(t *testing.T) {
	files := &fakeserver.Files{Before: func(call *fakeserver.Call, _ int64, resp *filesv1.GetResponse) error {
		if call.Number >= 2 {
			resp.Data = []byte("wrong")
		}
		return nil
	}}
	files.Put("f", []byte("right"))
	s := fakeserver.Start(t, files, nil)
	out, err := runBench(t, s.Addr, "get", "--file", "f", "--for", "300ms")
	if exitStatus(err) != 1 || !strings.Contains(out, "checksum is") {
		t.Errorf("ended in %v (status %d) and printed %q", err, exitStatus(err), out)
	}
}

func TestBenchUsage(t *testing.T) {
	s := fakeserver.Start(t, new(fakeserver.Files), new(fakeserver.Numbers))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody is there
	for args, want := range map[string]int{
		"draw --clients 0":                      2,
		"draw --for 0s":                         2,
		"draw --connections -1":                 2,
		"get":                                   2,
		"get --file f --rate -1B":               2,
		"get --file f --stub --download":        2,
		"get --file f --parallel 0 --download":  2,
		"get --file f --parallel 65 --download": 2,
		"get --file f --parallel 2":             2,
		"get --file f --to .":                   2,
		"get --file f --download --parallel 2 --connections 1": 2,
		"get --file no": 3,
		"legacy-draw --legacy " + l.Addr().String():   1,
		"legacy-get --file f --legacy nobody.invalid": 1,
	} {
		if _, err := runBench(t, s.Addr, strings.Fields(args)...); exitStatus(err) != want {
			t.Errorf("bench %s ended in %v, status %d, want %d", args, err, exitStatus(err), want)
		}
	}
}

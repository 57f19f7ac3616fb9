package main

import (
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

func TestDraw(t *testing.T) {
	server := fakeserver.Start(t, nil, new(fakeserver.Numbers))
	t.Setenv("PARITY_CLIENT_ADDR", server.Addr)
	for args, want := range map[string]string{
		"draw":             "42\n",
		"draw even":        "42\n",
		"draw odd":         "57\n",
		"--json draw odd":  `{"number":57,"parity":"odd"}` + "\n",
		"draw even --json": `{"number":42,"parity":"even"}` + "\n",
	} {
		if status, out, errs := runProgram(t.Context(), "", strings.Fields(args)...); status != 0 || out != want || errs != "" {
			t.Errorf("client %s: status %d, %q, %q, want %q", args, status, out, errs, want)
		}
	}
	// A flag is stronger than the environment.
	if status, _, errs := runProgram(t.Context(), "", "--addr=127.0.0.1:1", "draw"); status != 1 || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("status %d, %q", status, errs)
	}
}

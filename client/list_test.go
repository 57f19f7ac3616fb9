package main

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

func TestList(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"a", "b c", "hostile\x1b[2J\n\u009b"} {
		files.Put(name, []byte("data"))
	}
	server := fakeserver.Start(t, files, nil)

	status, out, errs := runProgram(t.Context(), "", "--addr", server.Addr, "list")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if status != 0 || len(lines) != 3 || !strings.HasSuffix(lines[1], "  b c") || !strings.HasSuffix(lines[2], `  hostile\x1b[2J\n\u009b`) {
		t.Errorf("status %d, %q", status, out)
	}
	if errs != "cache: 1 of 2 bytes used\n" {
		t.Errorf("%q on stderr", errs)
	}

	_, out, _ = runProgram(t.Context(), "", "--addr", server.Addr, "list", "--all")
	lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 3 || lines[0][:2] != "* " || lines[1][:2] != "  " || lines[2][:2] != "* " {
		t.Errorf("list --all: %q", out)
	}

	_, out, _ = runProgram(t.Context(), "", "--addr", server.Addr, "--json", "list", "--all")
	lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if strings.ContainsAny(out, "\x1b\u009b") {
		t.Errorf("list --json prints control characters: %q", out)
	}
	var last fileRecord
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Name != "hostile\x1b[2J\n\u009b" || last.SizeBytes != 4 || !last.Cached || last.Version != "1" {
		t.Errorf("list --json: %q means %+v, %v", out, last, err)
	}
}

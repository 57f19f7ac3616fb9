package version

import (
	"path/filepath"
	"testing"
)

func TestProgram(t *testing.T) {
	for path, want := range map[string]string{
		"client": "client", filepath.Join("bin", "parity"): "parity", "parity-server.exe": "parity-server", "client.test": "client",
	} {
		if got := programName([]string{path}); got != want {
			t.Errorf("programName(%q) = %q, want %q", path, got, want)
		}
	}
	if got := programName(nil); got != "parity" {
		t.Errorf("programName of nothing = %q", got)
	}
	if got := Program(); got != "version" {
		t.Errorf("Program() = %q, want the name of this test without its suffix", got)
	}
}

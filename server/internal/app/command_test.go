package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMistakes starts the program wrongly, and checks the error and the exit status.
func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(status int, want string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := Run(ctx, slices.Concat([]string{"--data-dir=" + dir}, freePorts, args), io.Discard, io.Discard)
		if got := ExitStatus(err); got != status || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: exit status %d, error %v; want %d and one line that names %q", args, got, err, status, want)
		}
	}
	// These mistakes are found while parsing. The error names the flag.
	for _, flag := range []string{
		"--no-such-flag", "--grpc=nonsense", "--trusted-gateways=10.0.0.0", "--legacy-allow=10.0.0.300/8",
		"--admin=0.0.0.0:0", "--log-format=xml", "--cache-size=lots", "--cache-size=-1MiB", "--log-max-size=1023KiB",
		"--max-client-id=-1", "--max-client-id=99999999999", "--drain-timeout=-1s", "--drain-timeout=10",
		"--report-rate=0", "--report-rate=1000001", "--log-keep=0", "--state=carrier-pigeon:", "--legacy-not-found=",
		"--allow=[", "--exclude={", "--tls-min=1.1", "--legacy-tls=127.0.0.1:0", "--tls-client-ca=" + file, "--tls-key=" + file, "--grpc-connections=0", "--legacy-connections-per-address=0",
	} {
		name, _, _ := strings.Cut(flag, "=")
		check(exitUsage, name, flag, dir)
	}
	check(exitUsage, "directory")
	check(exitUsage, "more", dir, "more")
	check(exitUsage, "--insecure", "--grpc=0.0.0.0:0", dir)
	check(exitUsage, "--insecure", "--grpc=:0", dir)
	check(exitUsage, "--insecure", "--admin=:0", dir)

	// These are found when the server opens.
	for _, flag := range []string{"--grpc", "--legacy", "--admin", "--legacy-files"} {
		check(exitFailed, flag, flag+"="+taken.Addr().String(), dir)
	}
	check(exitFailed, "DIRECTORY", dir+"/none")
	check(exitFailed, "DIRECTORY", file)
	check(exitFailed, "--log-file", "--data-dir="+dir+"/none", dir)
	check(exitFailed, "--log-file", "--log-file="+dir, dir)
	check(exitFailed, "--tls-cert", "--tls-cert="+file, "--tls-key="+file, dir)
	check(exitFailed, "--auth", "--auth="+dir+"/none", dir)
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"serve", "--help"}, &out, io.Discard); err != nil {
		t.Errorf("serve --help: %v", err)
	}
	for _, flag := range []string{"--grpc", "--legacy-files", "--cache-size", "PARITY_CACHE_SIZE"} {
		if !strings.Contains(out.String(), flag) {
			t.Errorf("help does not mention %s:\n%s", flag, out.String())
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("PARITY_CACHE_SIZE", "1MiB")
	t.Setenv("PARITY_MAX_CLIENT_ID", "12")
	t.Setenv("PARITY_LEGACY_ALLOW", "10.0.0.0/8,::1/128")
	cmd, err := parse([]string{"--max-client-id=13", "dir"}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cmd.(*serveCommand)
	if cfg.CacheSize != 1<<20 || cfg.MaxClientID != 13 || len(cfg.LegacyAllow) != 2 {
		t.Errorf("cache size %d, maximal ID %d, allowed %v; want 1 MiB, 13 (the flag wins), two networks",
			cfg.CacheSize, cfg.MaxClientID, cfg.LegacyAllow)
	}
}

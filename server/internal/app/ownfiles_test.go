//go:build unix

package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	filesv1 "example.com/parity/gen/parity/files/v1"
	"example.com/parity/internal/tlsfiles/tlstest"
)

// TestOwnFilesUnderAnyName serves a directory that holds all of the program's own files,
// rotates the logs in several ways, and requests every file.
func TestOwnFilesUnderAnyName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tlstest.New(t, dir)
	do(os.Mkdir(in("logs"), 0o700))
	do(os.WriteFile(in("logs/server[1]-2026-01-02T03-04-05.678.log"), []byte("from before"), 0o600))
	do(os.WriteFile(in("real.log"), nil, 0o600))
	do(os.Symlink("../real.log", in("logs/server[1].log")))
	do(os.WriteFile(in("user's.log.1"), []byte("content"), 0o600))
	p := startProcess(t, serverArgs(t, dir,
		"--tls-cert="+in("cert.pem"), "--tls-key="+in("key.pem"), "--tls-client-ca="+in("cert.pem"),
		"--data-dir="+dir, "--log-file="+in("logs/server[1].log"), "--log-max-size=1MiB",
	)...)
	if said := p.says(t, `own files lie below DIRECTORY.*`)[0]; !strings.Contains(said, "key.pem") || !strings.Contains(said, "--tls-key") ||
		!strings.Contains(said, "numbers.db") || !strings.Contains(said, "--log-file") {
		t.Errorf("the warning %q lacks an own file or its flag", said)
	}
	d := legacyDoor{files: p.legacy}
	hidden := map[string]bool{}
	check := func(names ...string) {
		t.Helper()
		for _, name := range names {
			hidden[name] = true
		}
		for name := range hidden {
			if data, err := d.get(t.Context(), name); !errors.Is(err, errNotFound) {
				t.Errorf("get(%q) = %.30q, %v; want not found", name, data, err)
			}
		}
		if data, err := d.get(t.Context(), "user's.log.1"); err != nil || string(data) != "content" {
			t.Errorf("get of a user's file = %q, %v", data, err)
		}
	}
	check("key.pem", "cert.pem", "numbers.db", "real.log", "logs/server[1].log", "logs/server[1]-2026-01-02T03-04-05.678.log")

	// Links to own files.
	do(os.Link(in("numbers.db"), in("hard link")))
	do(os.Symlink("key.pem", in("symbolic link")))
	check("hard link", "symbolic link")

	// Requests fill the log until it is rotated by size. That replaces the symbolic link.
	var filling sync.WaitGroup
	var isRotated atomic.Bool
	for range 32 { // each response takes 20 ms
		filling.Go(func() {
			for i := 0; !isRotated.Load(); i++ {
				if _, err := d.get(t.Context(), strings.Repeat("x", 1000)); !errors.Is(err, errNotFound) || i == 20_000 {
					t.Errorf("the log is not rotated after %d requests; get: %v", i, err)
					return
				}
				if fi, err := os.Lstat(in("logs/server[1].log")); err == nil && fi.Mode().IsRegular() {
					isRotated.Store(true)
				}
			}
		})
	}
	filling.Wait()
	rotated, err := filepath.Glob(in(`logs/server\[1\]-*.log`))
	if err != nil || len(rotated) != 2 {
		t.Fatalf("the rotated logs are %q, %v; want two", rotated, err)
	}
	for _, path := range rotated {
		check("logs/" + filepath.Base(path))
	}

	// Renamed as logrotate does, twice, and once to another directory.
	for _, to := range []string{"logs/server[1].log.1", "logs/server[1].log.2", "elsewhere"} {
		do(os.Rename(in("logs/server[1].log"), in(to)))
		p.signal(t, syscall.SIGHUP)
		for end := time.Now().Add(10 * time.Second); ; {
			check(to)
			if _, err := os.Stat(in("logs/server[1].log")); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("no new log after 10 s")
			}
		}
	}

	// The key is renewed.
	_, newCert, newKey := tlstest.New(t, t.TempDir())
	do(os.Rename(newCert, in("new.pem")))
	do(os.Rename(newKey, in("new key.pem")))
	do(os.Rename(in("new key.pem"), in("key.pem")))
	check("key.pem", "symbolic link")
	names, err := d.list(t.Context())
	if err != nil || len(names) != 1 {
		t.Errorf("the cache has %q, %v; want only the user's file", names, err)
	}
}

// TestOwnFilesAreHidden serves the data directory itself.
func TestOwnFilesAreHidden(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "sub", "server.log")
	if err := os.Mkdir(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	served := startIn(t, dir, "--log-file="+log)
	rotated := filepath.Join(dir, "sub", "server-2026-01-02T03-04-05.678.log")
	if err := os.WriteFile(rotated, []byte("old lines"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sub", "server-notes.log"), []byte("a user's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub/server.log", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files := served.filesClient(t)
	for _, name := range []string{"sub/server.log", "link", "sub/" + filepath.Base(rotated)} {
		_, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: name})
		wantStatus(t, name, err, codes.NotFound, "FILE_NOT_FOUND")
	}
	resp, err := files.List(t.Context(), &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY})
	if err != nil || len(resp.GetFiles()) != 1 || resp.GetFiles()[0].GetName() != "sub/server-notes.log" {
		t.Errorf("List = %v, %v; want only the user's file", resp, err)
	}
}

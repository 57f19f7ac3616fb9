package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// wantStateError starts a program that must not start, because of its register.
func wantStateError(tb testing.TB, stateFile, want string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 5*time.Second) // should it start
	defer cancel()
	err := Run(ctx, []string{
		"--grpc=127.0.0.1:0", "--legacy=127.0.0.1:0", "--admin=127.0.0.1:0",
		"--data-dir=" + tb.TempDir(), "--state=sqlite:" + stateFile, tb.TempDir(),
	}, io.Discard, io.Discard)
	if err == nil || ExitStatus(err) != exitFailed || strings.Contains(err.Error(), "\n") ||
		!strings.HasPrefix(err.Error(), "--state: ") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), stateFile) {
		tb.Errorf("exit status %d, error %v; want %d and one line that names --state, %s and %q",
			ExitStatus(err), err, exitFailed, stateFile, want)
	}
}

// TestStateInUse: two servers must not write one register.
func TestStateInUse(t *testing.T) {
	stateFile := filepath.Join(t.TempDir(), "register")
	r := start(t, "--state=sqlite:"+stateFile)
	wantStateError(t, stateFile, "in use by another server")

	// The first one goes on, and when it has ended another may begin.
	holdNumbers(t, r.doors(t)["grpc"], "7 connect 0; 7 report 12; 7 close")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	begin(t, start(t, "--state=sqlite:"+stateFile).doors(t)["legacy"], 7, 12).close()
}

// TestStateDamaged: a register that cannot be relied upon is left as it is.
func TestStateDamaged(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "register")
	r := start(t, "--state=sqlite:"+sound)
	holdNumbers(t, r.doors(t)["grpc"], "7 connect 0; 7 report 81985529216486895; 7 close")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	value := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef} // 81985529216486895
	for name, data := range map[string][]byte{
		"another program's file": []byte("Dear Sir or Madam,\n"),
		"half":                   whole[:len(whole)/2],
		"without its beginning":  append(make([]byte, 2*os.Getpagesize()), whole[2*os.Getpagesize():]...),
		"another value":          bytes.ReplaceAll(whole, value, []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xee}),
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(data, whole) {
				t.Fatal("the file is not damaged")
			}
			stateFile := filepath.Join(t.TempDir(), "register")
			if err := os.WriteFile(stateFile, data, 0o600); err != nil {
				t.Fatal(err)
			}
			wantStateError(t, stateFile, "")
			if after, err := os.ReadFile(stateFile); err != nil || !bytes.Equal(after, data) {
				t.Errorf("the file is another one now: %d bytes, %v", len(after), err)
			}
		})
	}
}

// TestStateIsHidden keeps the register in the directory that is served.
func TestStateIsHidden(t *testing.T) {
	for name, flag := range map[string]string{
		"numbers.db":   "--data-dir=DIR", // where it is by default
		"sub/register": "--state=sqlite:DIR/sub/register",
		"real":         "--state=sqlite:DIR/link", // the program and its clients may come to it by different names
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(name, filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			r := startIn(t, dir, strings.Replace(flag, "DIR", dir, 1))
			r.write(t, "f", []byte("content"))
			begin(t, r.doors(t)["grpc"], 7, 0).close()
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Fatalf("the register is not there: %v", err)
			}
			for doorName, d := range r.doors(t) {
				for _, asked := range []string{name, "link", "./" + name, "sub/../" + name} {
					if data, err := d.get(t.Context(), asked); err == nil || !strings.Contains(err.Error(), errNotFound.Error()) {
						t.Errorf("%s: get of %s = %d bytes, %v; want not found", doorName, asked, len(data), err)
					}
				}
				if _, err := d.get(t.Context(), "f"); err != nil {
					t.Errorf("%s: get of f: %v", doorName, err)
				}
				if names, err := d.list(t.Context()); err != nil || !slices.Equal(names, []string{"f"}) {
					t.Errorf("%s: list = %q, %v; want f alone", doorName, names, err)
				}
			}
			_, _, err := download(t.Context(), r.filesClient(t), &filesv1.GetRequest{Name: name})
			wantStatus(t, name, err, codes.NotFound, "FILE_NOT_FOUND")
			resp, err := r.filesClient(t).List(t.Context(), &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY})
			if err != nil || len(resp.GetFiles()) != 1 || resp.GetFiles()[0].GetName() != "f" {
				t.Errorf("List = %v, %v; want f alone", resp, err)
			}
		})
	}
}

// TestRegisterKeepsItsLocks requests the files of the register from the directory that
// is served, and then has another program open the register and close it. Without the
// server's locks that program would think that it was the last one, and remove the log
// that the server still writes.
func TestRegisterKeepsItsLocks(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, append([]string{"--data-dir=" + dir, dir}, freePorts...)...)
	session := begin(t, legacyDoor{numbers: p.legacy, files: p.legacy}, 7, 0)
	if err := errors.Join(session.report(12), drawOf(t.Context(), session, "odd")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "numbers.db-wal")
	before, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	files := filesv1.NewFileServiceClient(p.dial(t))
	for _, name := range []string{"numbers.db", "numbers.db-wal", "numbers.db-shm"} {
		_, _, err := download(t.Context(), files, &filesv1.GetRequest{Name: name})
		wantStatus(t, name, err, codes.NotFound, "FILE_NOT_FOUND")
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, "numbers.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		value, err := sqlitex.ResultInt64(conn.Prep("SELECT last_value FROM clients WHERE client_id = 7"))
		if err == nil && value == 12 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the other program reads the value %d, %v; want 12", value, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(log); err != nil || !os.SameFile(before, after) {
		t.Errorf("the other program has removed the log: %v", err)
	}
	if err := errors.Join(session.report(13), drawOf(t.Context(), session, "odd"), session.close()); err != nil {
		t.Error(err)
	}
}

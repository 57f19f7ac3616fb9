package register

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"example.com/parity/internal/await"
)

func openSQLite(tb testing.TB, path string) *SQLite {
	tb.Helper()
	s, err := OpenSQLite(path, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// openShell opens a connection as other programs do.
func openShell(tb testing.TB, path string, flags ...sqlite.OpenFlags) *sqlite.Conn {
	tb.Helper()
	conn, err := sqlite.OpenConn(path, flags...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

func execute(tb testing.TB, conn *sqlite.Conn, query string) {
	tb.Helper()
	if err := sqlitex.ExecuteTransient(conn, query, nil); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
}

func TestSQLiteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	s := openSQLite(t, path)
	for _, name := range append([]string{path}, path+"-wal", path+"-shm") {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
	s.Close()
	if left := names(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("closed, the register is in %q; want one file", left)
	}
}

func TestSQLiteOnceOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	s := openSQLite(t, path)
	register(t, s, 7, at(0))
	_, err := OpenSQLite(path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "is in use by another server") || !strings.Contains(err.Error(), path) {
		t.Errorf("second open: %v", err)
	}
	isDurable(t, s.Save(7, value(1, 1)))
	s.Close()
	openSQLite(t, path)
}

// TestSQLiteShell has another program read the register while it is written, and copy
// it. The copy is a register.
func TestSQLiteShell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	s := openSQLite(t, path)
	const clients = 100
	for id := range int32(clients) {
		register(t, s, id, at(0))
	}
	shell := openShell(t, path, sqlite.OpenReadWrite)
	end := make(chan struct{})
	counted := make(chan error, 1)
	go func() {
		for v := int64(1); ; v++ {
			var commit *Commit
			for id := range int32(clients) {
				commit = s.Save(id, value(v, 1))
			}
			<-commit.Done()
			select {
			case <-end:
				counted <- commit.Err()
				return
			default:
			}
			if err := commit.Err(); err != nil {
				counted <- err
				return
			}
		}
	}()
	await.That(t, "the shell sees the values", func() bool {
		sum, err := sqlitex.ResultInt64(shell.Prep("SELECT sum(last_value) FROM clients"))
		if err != nil {
			t.Fatal(err)
		}
		return sum >= 10*clients
	})
	execute(t, shell, "CREATE TABLE _another_program (x)") // as Litestream does
	backup := filepath.Join(t.TempDir(), "backup.db")
	execute(t, shell, fmt.Sprintf("VACUUM INTO '%s'", backup))
	close(end)
	if err := <-counted; err != nil {
		t.Fatal(err)
	}
	page := list(t, openSQLite(t, backup), -1, clients+1)
	if len(page) != clients {
		t.Fatalf("the backup has %d clients, want %d", len(page), clients)
	}
	for _, c := range page {
		if c.Value < 10 {
			t.Errorf("the backup has %+v, want the value 10 or more", c)
		}
	}
}

// TestSQLiteLocked has another program hold a write transaction for a while. Changes
// wait for it and are then written.
func TestSQLiteLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	s := openSQLite(t, path)
	register(t, s, 7, at(0))
	shell := openShell(t, path, sqlite.OpenReadWrite)
	execute(t, shell, "BEGIN IMMEDIATE")
	commit := s.Save(7, value(1, 1))
	<-commit.Done()
	if err := commit.Err(); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("Err() = %v, want that the database is locked", err)
	}
	execute(t, shell, "ROLLBACK")
	await.That(t, "a commit succeeds", func() bool {
		commit := s.Save(7, value(2, 2))
		<-commit.Done()
		return commit.Err() == nil
	})
}

// TestSQLiteCheckpoint writes so much that the log is copied into the database many
// times over, and does not grow.
func TestSQLiteCheckpoint(t *testing.T) {
	const clients, rounds = groupRecords + 904, 60
	path := filepath.Join(t.TempDir(), "numbers.db")
	s := openSQLite(t, path)
	for round := range int64(rounds) {
		commit := inMemory
		for id := range int32(clients) {
			commit = s.Save(id, value(round<<32+int64(id), 1))
		}
		isDurable(t, commit)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() > maxLogSize {
		t.Errorf("the log has %d bytes, %v; want %d at most", info.Size(), err, maxLogSize)
	}
	s.Close()
	all := list(t, openSQLite(t, path), -1, clients+1)
	for i, c := range all {
		if len(all) != clients || c.ID != int32(i) || c.Value != (rounds-1)<<32+int64(i) {
			t.Fatalf("opened with %d clients, and client %d is %+v", len(all), i, c)
		}
	}
}

package register

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
)

// sqliteFile returns the content of a register with that many clients.
func sqliteFile(tb testing.TB, clients int32) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "numbers.db")
	for round := range int32(5) {
		s := openSQLite(tb, path)
		for id := round; id < clients; id += 5 {
			s.Save(id, Change{Value: int64(3 * id), SetValue: true, Number: id % 100, SetNumber: true, Seen: seen(int(id % 60))})
		}
		if err := s.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return whole
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x55
	return b
}

// TestSQLiteRefuses checks that a file that is not an intact register is refused with the
// reason, and that neither the file nor its directory changes.
func TestSQLiteRefuses(t *testing.T) {
	whole := sqliteFile(t, 500)
	write := func(b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	query := func(queries ...string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			write(whole)(t, path)
			conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, query := range queries {
				execute(t, conn, query)
			}
		}
	}
	bbolt := make([]byte, 32<<10)
	binary.NativeEndian.PutUint32(bbolt[16:], 0xED0CDAED)
	for _, test := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"another file", write([]byte(strings.Repeat("not a database\n", 2000))), "is damaged"},
		{"an empty file", write(nil), "is empty"},
		{"a short file", write([]byte("x")), "is damaged"},
		{"zeros", write(make([]byte, 32768)), "is damaged"},
		{"another beginning", write(append([]byte("#!/bin/sh"), whole[9:]...)), "is damaged"},
		{"half", write(whole[:len(whole)/2]), "is damaged"},
		{"header only", write(whole[:headerSize]), "is damaged"},
		{"a flipped bit in a row", write(flip(whole, bytes.LastIndex(whole, []byte("CREATE"))+5000)), "is damaged"},
		{"a bbolt file", write(bbolt), "is a bbolt file"},
		{"another program's", query("PRAGMA application_id = 7"), "of another program"},
		{"of no program", query("PRAGMA application_id = 0"), "of another program"},
		{"a later format", query("PRAGMA user_version = 2"), "has format 2"},
		{"no table", query("DROP TABLE clients"), "is damaged"},
		{"a trigger", query("CREATE TRIGGER t AFTER INSERT ON clients BEGIN DELETE FROM clients; END"), "is damaged"},
		{"another column", query("ALTER TABLE clients ADD COLUMN more INTEGER"), "is damaged"},
		{"a row that was edited", query("UPDATE clients SET last_value = 4711 WHERE client_id = 7"), "the row of client 7 does not match its checksum"},
		{"a number out of range", query("UPDATE clients SET last_number = 1 << 40 WHERE client_id = 8"), "the row of client 8"},
		{"an ID out of range", query("UPDATE clients SET client_id = 1 << 40 WHERE client_id = 9"), "the row of client 1099511627776"},
		{"a directory", func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, "not a regular file"},
		{"a FIFO", func(t *testing.T, path string) { mkfifo(path) }, "not a regular file"},
		{"in no directory", func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) }, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			os.Mkdir(dir, 0o700)
			path := filepath.Join(dir, "numbers.db")
			test.make(t, path)
			var before []byte
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				before, _ = os.ReadFile(path)
			}
			s, err := OpenSQLite(path, slog.New(slog.DiscardHandler))
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q and the path", err, test.want)
			}
			if before == nil {
				return
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file has been changed")
			}
			if got := names(t, dir); len(got) != 1 {
				t.Errorf("the directory has %q, want the register alone", got)
			}
		})
	}
}

// TestSQLiteDamagedByte flips bytes all over a file. The file is refused, or opens with all
// its records if the byte is unused.
func TestSQLiteDamagedByte(t *testing.T) {
	const clients = 300
	whole := sqliteFile(t, clients)
	path := filepath.Join(t.TempDir(), "numbers.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const page = 4096
	step, opened, refused := 31, 0, 0
	if testing.Short() {
		step = 311
	}
	for i := range whole {
		if i%page >= 120 && i%step != 0 { // the beginning of each page, and a sample of the rest
			continue
		}
		damaged := flip(whole, i)
		f.WriteAt(damaged[i:i+1], int64(i))
		d, got, err := loadFile(path)
		if err != nil {
			refused++
		} else {
			opened++
			all := got.list(-1, clients+1)
			for j, c := range all {
				if len(all) != clients || c.ID != int32(j) || c.Value != int64(3*j) || c.Number != int32(j%100) || c.Seen != seen(j%60) {
					t.Fatalf("byte %d: opened with %d clients, and client %d is %+v", i, len(all), j, c)
				}
			}
		}
		d.close()
		after, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
		if err != nil || !bytes.Equal(after, damaged) {
			t.Fatalf("byte %d: opening has changed the file: %v", i, err)
		}
		f.WriteAt(whole[i:i+1], int64(i))
	}
	t.Logf("of %d damaged files, %d were refused; the others had all records", opened+refused, refused)
	if refused < 300 {
		t.Errorf("only %d damaged files were refused", refused)
	}
}

// loadFile opens and checks a file without connecting to it.
func loadFile(path string) (*database, table, error) {
	d := &database{path: path}
	if err := d.openFile(); err != nil {
		return d, table{}, err
	}
	clients, err := d.load()
	return d, clients, err
}

// TestSQLiteDamagedAfterCrash damages a register whose server was killed, so that it
// has a log that needs recovery. Neither file is changed.
func TestSQLiteDamagedAfterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	if err := os.WriteFile(path, sqliteFile(t, 500), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openSQLite(t, path)
	isDurable(t, s.Save(7, value(4711, 1)))
	killed := filepath.Join(t.TempDir(), "numbers.db") // as it would be found
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recovered := openSQLite(t, killed)
	if got := list(t, recovered, 6, 1)[0]; got.Value != 4711 {
		t.Errorf("recovered %+v, want the value 4711", got)
	}
	recovered.Close()

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	damagedFile := flip(whole, len(whole)-100)
	if err := os.WriteFile(killed, damagedFile, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(killed+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenSQLite(killed, slog.New(slog.DiscardHandler)); err == nil {
		s.Close()
		t.Fatal("opened")
	} else if !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("error %q, want that it is damaged", err)
	}
	for suffix, want := range map[string][]byte{"": damagedFile, "-wal": log} {
		if got, _ := os.ReadFile(killed + suffix); !bytes.Equal(got, want) {
			t.Errorf("opening has changed numbers.db%s", suffix)
		}
	}
}

// TestSQLiteInterrupted opens a restored backup after another program was killed while it
// wrote to it. The transaction is rolled back before the register is read.
func TestSQLiteInterrupted(t *testing.T) {
	const clients = 500
	path := filepath.Join(t.TempDir(), "numbers.db")
	if err := os.WriteFile(path, sqliteFile(t, clients), 0o600); err != nil {
		t.Fatal(err)
	}
	shell := openShell(t, path, sqlite.OpenReadWrite)
	for _, query := range []string{
		"PRAGMA journal_mode = DELETE", // as in a file that VACUUM INTO has written
		"PRAGMA cache_size = 1",        // pages are written before the transaction ends
		"BEGIN",
		"DELETE FROM clients WHERE client_id % 2 = 0",
	} {
		execute(t, shell, query)
	}
	killed := filepath.Join(t.TempDir(), "numbers.db") // as it would be found
	for _, suffix := range []string{"", journalSuffix} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s := openSQLite(t, killed)
		if got := list(t, s, -1, clients+1); len(got) != clients {
			t.Errorf("%d clients, want %d", len(got), clients)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

package register

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// names returns the names of the files in a directory.
func names(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestSQLiteLeftovers starts after servers that were killed while they created the file.
func TestSQLiteLeftovers(t *testing.T) {
	for _, test := range []struct {
		name string
		kill func(t *testing.T, path, unfinished string)
		want int // clients
	}{
		{"before anything was written", func(t *testing.T, _, unfinished string) {
			if err := os.WriteFile(unfinished, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"while it was written", func(t *testing.T, _, unfinished string) {
			if err := os.WriteFile(unfinished, sqliteFile(t, 0)[:5000], 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"before it had its name", func(t *testing.T, _, unfinished string) {
			if err := createDatabase(unfinished); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"when it had both names", func(t *testing.T, path, unfinished string) {
			b := openSQLite(t, path)
			register(t, b, 7, at(0))
			b.Close()
			if err := os.Link(path, unfinished); err != nil {
				t.Fatal(err)
			}
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "numbers.db")
			unfinished := path + unfinishedMark + rand.Text()
			test.kill(t, path, unfinished)
			others := []string{"numbers.db.unfinished-copy", "other.db" + unfinishedMark + rand.Text()}
			for _, name := range others {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if own := OwnFiles("sqlite:" + path); !slices.Equal(own, []string{path, path + "-wal", path + "-shm", path + "-journal", unfinished}) {
				t.Errorf("OwnFiles = %q, want %q and %q", own, path, unfinished)
			}
			b := openSQLite(t, path)
			if page := list(t, b, -1, 10); len(page) != test.want {
				t.Errorf("List = %+v, want %d clients", page, test.want)
			}
			want := append([]string{"numbers.db", "numbers.db-shm", "numbers.db-wal"}, others...)
			slices.Sort(want)
			if got := names(t, dir); !slices.Equal(got, want) {
				t.Errorf("the directory has %q, want %q", got, want)
			}
			isDurable(t, b.Save(7, value(1, 1)))
		})
	}
}

// TestSQLiteMadeOnce has many servers create the same register at once.
func TestSQLiteMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "numbers.db")
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		opened []*SQLite
	)
	for range 8 {
		wg.Go(func() {
			b, err := OpenSQLite(path, slog.New(slog.DiscardHandler))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				opened = append(opened, b)
			} else if !strings.Contains(err.Error(), "is in use by another server") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, b := range opened {
		defer b.Close()
	}
	if len(opened) != 1 {
		t.Fatalf("%d servers have it open, want 1", len(opened))
	}
	isDurable(t, opened[0].Save(7, value(1, 1)))
	if got := names(t, filepath.Dir(path)); len(got) != 3 {
		t.Errorf("the directory has %q, want the register, its log and the index of that", got)
	}
}

// TestSQLiteSymlink creates a register at the target of a symbolic link.
func TestSQLiteSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	path, target := filepath.Join(dir, "numbers.db"), filepath.Join(dir, "disk", "n.db")
	if err := os.Symlink("disk/n.db", path); err != nil {
		t.Fatal(err)
	}
	for want := range int64(2) {
		b := openSQLite(t, path)
		r, _ := register(t, b, 7, at(0))
		if r.Value != want {
			t.Errorf("the value is %d, want %d", r.Value, want)
		}
		isDurable(t, b.Save(7, value(want+1, 1)))
		b.Close()
	}
	if got := names(t, filepath.Dir(target)); !slices.Equal(got, []string{"n.db"}) {
		t.Errorf("the directory has %q, want the register alone", got)
	}
}

// TestSQLiteLogAlone starts where the register was moved away without its log. SQLite
// would apply that log to a new register.
func TestSQLiteLogAlone(t *testing.T) {
	for _, suffix := range []string{logSuffix, journalSuffix} {
		path := filepath.Join(t.TempDir(), "numbers.db")
		if err := os.WriteFile(path+suffix, []byte("log"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSQLite(path, slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
			t.Fatalf("opened beside %q", suffix)
		}
		if !strings.Contains(err.Error(), "is missing, but its log is there") || !strings.Contains(err.Error(), path+suffix) {
			t.Errorf("error %q, want that the log %q is there", err, suffix)
		}
		if got := names(t, filepath.Dir(path)); !slices.Equal(got, []string{"numbers.db" + suffix}) {
			t.Errorf("the directory has %q, want the log alone", got)
		}
	}
}

// TestSQLiteNames opens registers whose names have a meaning for SQLite or in URIs.
func TestSQLiteNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{":memory:", "file:n.db", "n?mode=memory", "a b#c%41.db"} {
		s, err := OpenSQLite(name, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			continue
		}
		register(t, s, 7, at(0))
		isDurable(t, s.Save(7, value(12, 1)))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = openSQLite(t, name)
		if got := list(t, s, -1, 2); len(got) != 1 || got[0].Value != 12 {
			t.Errorf("%q: opened again with %+v, want client 7 with the value 12", name, got)
		}
		s.Close()
	}
}

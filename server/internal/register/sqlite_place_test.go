package register

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/parity/internal/await"
)

// TestSQLiteNotInPlace moves the file of an open store away, and back.
func TestSQLiteNotInPlace(t *testing.T) {
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		take func(t *testing.T, path string)
		back func(t *testing.T, path string)
		want string
	}{
		{
			name: "removed",
			take: func(t *testing.T, path string) {
				if err := os.Link(path, path+".kept"); err != nil {
					t.Fatal(err)
				}
				os.Remove(path)
			},
			back: func(t *testing.T, path string) { rename(t, path+".kept", path) },
			want: "it was removed",
		}, {
			name: "directory moved",
			take: func(t *testing.T, path string) { rename(t, filepath.Dir(path), filepath.Dir(path)+".moved") },
			back: func(t *testing.T, path string) { rename(t, filepath.Dir(path)+".moved", filepath.Dir(path)) },
			want: "it was removed",
		}, {
			name: "replaced",
			take: func(t *testing.T, path string) {
				for _, suffix := range []string{"", "-wal", "-shm"} {
					rename(t, path+suffix, path+".kept"+suffix)
				}
				openSQLite(t, path).Close()
			},
			back: func(t *testing.T, path string) {
				for _, suffix := range []string{"", "-wal", "-shm"} {
					rename(t, path+".kept"+suffix, path+suffix)
				}
			},
			want: "it was replaced",
		}, {
			name: "log removed",
			take: func(t *testing.T, path string) { rename(t, path+"-wal", path+".kept") },
			back: func(t *testing.T, path string) { rename(t, path+".kept", path+"-wal") },
			want: "it was removed",
		}, {
			name: "a file in place of the directory",
			take: func(t *testing.T, path string) {
				rename(t, filepath.Dir(path), filepath.Dir(path)+".moved")
				if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			back: func(t *testing.T, path string) {
				os.Remove(filepath.Dir(path))
				rename(t, filepath.Dir(path)+".moved", filepath.Dir(path))
			},
			want: "it was removed",
		},
	} {
		for _, idle := range []bool{false, true} {
			name := test.name
			if idle && test.name != "removed" {
				continue // as with that one
			} else if idle {
				name += " while nothing is written"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "numbers.db")
				b := openSQLite(t, path)
				register(t, b, 7, at(0))
				isDurable(t, b.Save(7, write(10, 5)))
				test.take(t, path)
				if !idle {
					commit := b.Save(7, write(10, 6))
					<-commit.Done()
					if err := commit.Err(); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
						t.Errorf("Save: %v, want %v, %q and the path", err, ErrUnavailable, test.want)
					}
					if _, _, err := b.Register(t.Context(), 8, GRPC, at(1)); !errors.Is(err, ErrUnavailable) {
						t.Errorf("Register: %v, want %v", err, ErrUnavailable)
					}
				}
				await.That(t, "Health says so", func() bool { return b.Health() != nil })
				if err := b.Health(); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Health() = %v, want %v and %q", err, ErrUnavailable, test.want)
				}
				test.back(t, path)
				await.That(t, "Health is well again", func() bool { return b.Health() == nil })
				isDurable(t, b.Save(8, write(10, 1)))
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				page := list(t, openSQLite(t, path), -1, 10)
				want := int64(6)
				if idle {
					want = 5
				}
				if len(page) != 2 || page[0].Value != want || page[1].Value != 1 {
					t.Errorf("List = %+v, want the values %d and 1", page, want)
				}
			})
		}
	}
}

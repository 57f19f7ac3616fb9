package download

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

func TestBaseName(t *testing.T) {
	for name, want := range map[string]string{
		"f":                 "f",
		"a/b c.txt":         "b c.txt",
		"/etc/passwd":       "passwd",
		"../../x":           "x",
		"..x":               "..x",
		"esc\x1b[31m\nx":    "esc_[31m_x",
		"c1\u009bx\x7f":     "c1_x_",
		"nul\x00":           "nul_",
		"Füße 足":            "Füße 足",
		"":                  "",
		".":                 "",
		"..":                "",
		"a/..":              "",
		"a/":                "",
		"/":                 "",
		"../../../../../..": "",
	} {
		got, err := BaseName(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("BaseName(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestLocalPath(t *testing.T) {
	for name, want := range map[string]string{
		"f":             "f",
		"a/b c.txt":     "a/b c.txt",
		"..x/.y":        "..x/.y",
		"a\x1b/\u009bx": "a_/_x",
		"":              "",
		"/etc/passwd":   "",
		"../x":          "",
		"a/../../x":     "",
		"a/./x":         "",
		"a//x":          "",
		"a/":            "",
		"..":            "",
	} {
		got, err := LocalPath(name)
		if got != filepath.FromSlash(want) || (err == nil) != (want != "") {
			t.Errorf("LocalPath(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
}

// No download is stored outside its directory.
func TestGetBelow(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"f", "sub/f", "../f", "out/f", "in/f", "dir/f", "esc\x1b"} {
		files.Put(name, []byte("the server's"))
	}
	_, client := newServer(t, files)
	outer := t.TempDir()
	dir := filepath.Join(outer, "dir")
	for _, make := range []error{
		os.MkdirAll(filepath.Join(dir, "dir/f"), 0o700), os.Mkdir(filepath.Join(outer, "outside"), 0o700), os.Mkdir(filepath.Join(dir, "inside"), 0o700),
		os.Symlink("../outside", filepath.Join(dir, "out")), os.Symlink("inside", filepath.Join(dir, "in")),
	} {
		if make != nil {
			t.Fatal(make)
		}
	}
	for name, want := range map[string]string{
		"f": "f", "sub/f": "sub/f", "in/f": "inside/f", "esc\x1b": "esc_",
		"../f": "", "out/f": "", "dir/f": "",
	} {
		r, err := GetBelow(t.Context(), client, name, dir, Options{})
		if want == "" {
			if err == nil {
				t.Errorf("GetBelow(%q) = %+v", name, r)
			}
			continue
		}
		if err != nil {
			t.Errorf("GetBelow(%q) = %v", name, err)
			continue
		}
		wantFile(t, filepath.Join(dir, want), []byte("the server's"))
	}
	wantDir(t, outer, "dir", "outside")
	wantDir(t, filepath.Join(outer, "outside"))
	wantDir(t, filepath.Join(dir, "sub"), "f")

	if _, err := GetBelow(t.Context(), client, "none/of/them", dir, Options{}); err == nil {
		t.Error("a file that is not there was downloaded")
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("directories were made for a file that is not there")
	}
	t.Chdir(dir)
	if r, err := GetBelow(t.Context(), client, "sub/f", "", Options{Force: true}); err != nil || r.Path != filepath.Join("sub", "f") {
		t.Errorf("GetBelow = %+v, %v", r, err)
	}
}

// An existing file stays unless it may be replaced.
func TestGetToWhatIsThere(t *testing.T) {
	files := new(fakeserver.Files)
	data, old := []byte("new content"), []byte("old")
	files.Put("f", data)
	_, client := newServer(t, files)
	newFile := func(t *testing.T) (dir, file string) {
		t.Helper()
		dir = t.TempDir()
		file = filepath.Join(dir, "f")
		if err := os.WriteFile(file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir, file
	}
	force := Options{Force: true}

	t.Run("file", func(t *testing.T) {
		dir, file := newFile(t)
		calls := len(files.Calls())
		for _, get := range []func(Options) (Result, error){
			func(o Options) (Result, error) { return Get(t.Context(), client, "f", file, o) },
			func(o Options) (Result, error) { return GetBelow(t.Context(), client, "f", dir, o) },
		} {
			if _, err := get(Options{}); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Get = %v, want %v", err, fs.ErrExist)
			}
			wantFile(t, file, old)
			if n := len(files.Calls()); n != calls {
				t.Errorf("%d calls", n-calls)
			}
		}
		if _, err := Get(t.Context(), client, "f", file, force); err != nil {
			t.Fatal(err)
		}
		wantFile(t, file, data)
		wantDir(t, dir, "f")
	})
	t.Run("file that appears", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "f")
		_, err := Get(t.Context(), client, "f", file, Options{Progress: func(int64, int64) {
			if err := os.WriteFile(file, old, 0o600); err != nil {
				t.Error(err)
			}
		}})
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("Get = %v, want %v", err, fs.ErrExist)
		}
		wantFile(t, file, old)
		wantDir(t, dir, "f", "*.part") // it was fetched for --force
	})
	t.Run("pipe that appears", func(t *testing.T) {
		dir := t.TempDir()
		pipe := filepath.Join(dir, "f")
		if err := mkfifo(filepath.Join(t.TempDir(), "try")); errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		}
		made := false
		_, err := Get(t.Context(), client, "f", pipe, Options{Force: true, Progress: func(int64, int64) {
			if !made {
				made = true
				if err := mkfifo(pipe); err != nil {
					t.Error(err)
				}
			}
		}})
		if err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("Get = %v", err)
		}
		if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			t.Errorf("the pipe is now %v, %v", info, err)
		}
	})
	t.Run("second name of a file that was put in its place", func(t *testing.T) {
		for name, content := range map[string]string{"of this version": "f\x001", "of another": "f\x000"} {
			dir, file := newFile(t)
			if err := os.Link(file, filepath.Join(dir, partName("f", content))); err != nil {
				t.Fatal(err)
			}
			if _, err := Get(t.Context(), client, "f", file, force); err != nil {
				t.Errorf("%s: Get = %v", name, err)
				continue
			}
			wantFile(t, file, data)
			wantDir(t, dir, "f")
		}
	})
	t.Run("block device", func(t *testing.T) {
		disks, err := filepath.Glob("/sys/class/block/*")
		if err != nil || len(disks) == 0 {
			t.Skip("no block device is known here")
		}
		disk := filepath.Join("/dev", filepath.Base(disks[0]))
		if info, err := os.Stat(disk); err != nil || info.Mode().Type() != fs.ModeDevice {
			t.Skipf("%s is no block device here", disk)
		}
		if to, err := atPath(disk, true); err == nil || errors.Is(err, errNotRegular) {
			t.Errorf("atPath(%q) = %v, %v", disk, to, err)
		}
	})
	t.Run("link as the path is followed", func(t *testing.T) {
		_, other := newFile(t)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(other, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Get(t.Context(), client, "f", link, Options{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Get = %v, want %v", err, fs.ErrExist)
		}
		wantFile(t, other, old)
		if _, err := Get(t.Context(), client, "f", link, force); err != nil {
			t.Fatal(err)
		}
		wantFile(t, other, data)
		if to, err := os.Readlink(link); err != nil || to != other {
			t.Errorf("the link leads to %q now, %v", to, err)
		}
	})
	t.Run("link below the directory is replaced", func(t *testing.T) {
		_, other := newFile(t)
		dir := t.TempDir()
		if err := os.Symlink(other, filepath.Join(dir, "f")); err != nil {
			t.Fatal(err)
		}
		if _, err := GetBelow(t.Context(), client, "f", dir, Options{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Get = %v, want %v", err, fs.ErrExist)
		}
		if _, err := GetBelow(t.Context(), client, "f", dir, force); err != nil {
			t.Fatal(err)
		}
		wantFile(t, other, old)
		wantFile(t, filepath.Join(dir, "f"), data)
	})
	t.Run("directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "f"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := GetBelow(t.Context(), client, "f", dir, force); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("GetBelow = %v", err)
		}
		if _, err := Get(t.Context(), client, "f", filepath.Join(dir, "f"), force); err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("Get = %v", err)
		}
		wantDir(t, dir, "f")
	})
	t.Run("pipe", func(t *testing.T) {
		dir := t.TempDir()
		pipe := filepath.Join(dir, "pipe")
		if err := mkfifo(pipe); errors.Is(err, errors.ErrUnsupported) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		got := make(chan []byte)
		go func() {
			read, _ := os.ReadFile(pipe)
			got <- read
		}()
		r, err := Get(t.Context(), client, "f", pipe, Options{})
		if err != nil || r.Path != pipe {
			t.Fatalf("Get = %+v, %v", r, err)
		}
		if read := <-got; string(read) != string(data) {
			t.Errorf("the pipe gave %q", read)
		}
		wantDir(t, dir, "pipe")
	})
}

// TestRenameNew checks that no way of renaming replaces an existing file. Not every system
// and file system supports the first and the second way.
func TestRenameNew(t *testing.T) {
	for name, rename := range map[string]func(dir *os.Root, from, to string) error{
		"system": renameNew, "link": linkNew, "claim": claimNew,
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			dir := openRoot(t, path)
			defer dir.Close()
			// Of many at once one comes first.
			const rounds, racers = 100, 4
			for round := range rounds {
				to := fmt.Sprint("to", round)
				start := make(chan struct{})
				var renamed sync.WaitGroup
				var won atomic.Int64
				var first atomic.Value
				for i := range racers {
					from := fmt.Sprint("from", i)
					if err := dir.WriteFile(from, []byte(from), 0o600); err != nil {
						t.Fatal(err)
					}
					renamed.Go(func() {
						<-start
						switch err := rename(dir, from, to); {
						case err == nil:
							won.Add(1)
							first.Store(from)
						case !errors.Is(err, fs.ErrExist):
							t.Errorf("rename = %v, want nil or %v", err, fs.ErrExist)
						}
					})
				}
				close(start)
				renamed.Wait()
				if won.Load() != 1 {
					t.Fatalf("%d of %d renamed a file to the one name", won.Load(), racers)
				}
				wantFile(t, filepath.Join(path, to), []byte(first.Load().(string)))
				if _, err := dir.Lstat(first.Load().(string)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the old name: %v", err)
				}
			}
		})
	}
}

package download

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// What a hostile name makes is a file in the directory, or nothing.
func TestGetHostileNames(t *testing.T) {
	files := new(fakeserver.Files)
	_, client := newServer(t, files)
	for name, want := range map[string]string{
		"../../x":                          "x",
		"/etc/passwd":                      "passwd",
		"a\x1b]0;title\x07":                "a_]0;title_",
		".." + strings.Repeat("/..", 100):  "",
		"long/" + strings.Repeat("n", 255): strings.Repeat("n", 255),
	} {
		files.Put(name, []byte("data"))
		outer := t.TempDir()
		dir := filepath.Join(outer, "dir")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Get(t.Context(), client, name, dir, Options{})
		if want == "" {
			if err == nil {
				t.Errorf("Get(%q) = nil", name)
			}
			wantDir(t, dir)
		} else {
			if err != nil {
				t.Errorf("Get(%q) = %v", name, err)
			}
			wantDir(t, dir, want)
		}
		wantDir(t, outer, "dir")
	}
}

func TestGetCurrentDirectory(t *testing.T) {
	files := new(fakeserver.Files)
	files.Put("sub/f", []byte("data"))
	_, client := newServer(t, files)
	dir := t.TempDir()
	t.Chdir(dir)
	if r, err := Get(t.Context(), client, "sub/f", "", Options{}); err != nil || r.Path != "f" {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	wantDir(t, dir, "f")
}

func TestGetToWhatIsThere(t *testing.T) {
	files := new(fakeserver.Files)
	data := []byte("new content")
	files.Put("f", data)
	_, client := newServer(t, files)
	newDir := func(t *testing.T) (dir, other string) {
		dir = t.TempDir()
		other = filepath.Join(t.TempDir(), "other")
		if err := os.WriteFile(other, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir, other
	}

	t.Run("file", func(t *testing.T) {
		_, other := newDir(t)
		if _, err := Get(t.Context(), client, "f", other, Options{}); err != nil {
			t.Fatal(err)
		}
		wantFile(t, other, data)
	})
	t.Run("link as DEST is followed", func(t *testing.T) {
		dir, other := newDir(t)
		link := filepath.Join(dir, "link")
		if err := os.Symlink(other, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Get(t.Context(), client, "f", link, Options{}); err != nil {
			t.Fatal(err)
		}
		wantFile(t, other, data)
		if to, err := os.Readlink(link); err != nil || to != other {
			t.Errorf("the link leads to %q now, %v", to, err)
		}
	})
	t.Run("link in DEST is replaced", func(t *testing.T) {
		dir, other := newDir(t)
		if err := os.Symlink(other, filepath.Join(dir, "f")); err != nil {
			t.Fatal(err)
		}
		if _, err := Get(t.Context(), client, "f", dir, Options{}); err != nil {
			t.Fatal(err)
		}
		wantFile(t, other, []byte("old"))
		wantFile(t, filepath.Join(dir, "f"), data)
	})
	t.Run("directory in DEST", func(t *testing.T) {
		dir, _ := newDir(t)
		if err := os.Mkdir(filepath.Join(dir, "f"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Get(t.Context(), client, "f", dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("Get = %v", err)
		}
		wantDir(t, dir, "f")
	})
	t.Run("pipe", func(t *testing.T) {
		dir, _ := newDir(t)
		pipe := filepath.Join(dir, "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
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

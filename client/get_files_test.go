package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/parity/client/internal/fakeserver"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// tree returns the files below the current directory with their content, and links and
// directories with what they are.
func tree(tb testing.TB) map[string]string {
	tb.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case d.IsDir():
			all[path] = "a directory"
		case d.Type() == fs.ModeSymlink:
			to, _ := os.Readlink(path)
			all[path] = "a link to " + to
		default:
			content, err := os.ReadFile(path)
			all[path] = string(content)
			return err
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// TestGetLosesNothing tries every way to lose a local file: whatever is there before is
// there afterwards, with one connection and with several.
func TestGetLosesNothing(t *testing.T) {
	served := map[string]string{}
	for _, name := range []string{
		"a", "b", "dir", "dir/f", "folder", "link", "out/f", "up", "A", "x\x01", "x\x02", "sub/f", "way/f", "photo[1].jpg",
	} {
		served[name] = "the server's " + name
	}
	mine := map[string]string{"a": "mine, a", "b": "mine, b", "A": "mine, A", "dir/f": "mine, dir/f", "../above": "mine, above", "../outside/f": "mine, outside"}
	for _, c := range []struct {
		name, args string
		status     int
		wants      []string // on stderr
	}{
		{"files are there", "a b", 1, []string{
			"a: file already exists here, with 7 bytes, and the server's file has 14; --force replaces it",
			"b: file already exists here, with 7 bytes, and the server's file has 14; --force replaces it", "2 of 2 files failed"}},
		{"the first is no target", "b -o a", 1, []string{"a: file already exists here"}},
		{"a pattern matches them", "[ab]", 1, []string{"2 of 2 files failed"}},
		{"the same name twice", "a a", 2, []string{"would be one file"}},
		{"the same name twice, replacing", "--force a a", 2, []string{"would be one file"}},
		{"two names, one path", "x\x01 x\x02", 2, []string{"would be one file"}},
		{"two names, one path, replacing", "--force x\x01 x\x02", 2, []string{"would be one file"}},
		{"two names of a pattern, one path", "--force x?", 1, []string{"would be one file"}},
		{"two names by a link", "--force dir/f way/f", 2, []string{"would be one file"}},
		{"a folder of that name", "folder", 1, []string{"is not a file"}},
		{"a folder of that name, replacing", "--force folder", 1, []string{"is not a file"}},
		{"a folder as the output", "--force a -o folder", 1, []string{"is a directory"}},
		{"a file where a folder must be", "--force sub/f -d a", 1, []string{"not a directory"}},
		{"above", "../above", 2, []string{"--output"}},
		{"above, replacing", "--force ../above", 2, []string{"--output"}},
		{"absolute", "--force /etc/passwd", 2, []string{"--output"}},
		{"a link in its place", "link", 1, []string{"and is a symbolic link"}},
		{"a link that leads out", "--force out/f", 1, []string{"escapes"}},
		{"cases", "a A", 1, []string{"2 of 2 files failed"}},
		{"nothing of the kind", "'*.none'", 3, []string{"no file of the server matches"}},
	} {
		for _, parallel := range []string{"1", "4"} {
			t.Run(c.name+", parallel "+parallel, func(t *testing.T) {
				files := new(fakeserver.Files)
				for name, content := range served {
					files.Put(name, []byte(content))
				}
				files.Put("../above", []byte("the server's above"))
				server := fakeserver.Start(t, files, nil)
				outer := t.TempDir()
				t.Chdir(outer)
				for _, dir := range []string{"outside", "here/dir", "here/folder/x"} {
					if err := os.MkdirAll(dir, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				t.Chdir("here")
				for path, content := range mine {
					if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				for from, to := range map[string]string{"link": "a", "out": "../outside", "way": "dir"} {
					if err := os.Symlink(to, from); err != nil {
						t.Fatal(err)
					}
				}
				t.Chdir("..")
				before := tree(t)
				t.Chdir("here")
				args := append([]string{"--addr", server.Addr, "get", "--parallel", parallel}, strings.Fields(strings.ReplaceAll(c.args, "'", ""))...)
				status, _, errs := runProgram(t.Context(), "", args...)
				if status != c.status {
					t.Errorf("status %d, want %d; %q", status, c.status, errs)
				}
				for _, want := range c.wants {
					if !strings.Contains(errs, want) {
						t.Errorf("%q on stderr, want %q", errs, want)
					}
				}
				t.Chdir("..")
				after := tree(t)
				for path, content := range before {
					if after[path] != content {
						t.Errorf("%s was %q, is %q", path, content, after[path])
					}
				}
				for path, content := range after {
					if _, there := before[path]; !there {
						t.Errorf("%s is new, %q", path, content)
					}
				}
			})
		}
	}
}

// TestGetFileAppears: a file that appears during the download stays.
func TestGetFileAppears(t *testing.T) {
	for _, parallel := range []string{"1", "4"} {
		files := new(fakeserver.Files)
		var once sync.Once
		files.Before = func(*fakeserver.Call, int64, *filesv1.GetResponse) error {
			once.Do(func() {
				if err := os.WriteFile("f", []byte("mine"), 0o600); err != nil {
					t.Error(err)
				}
			})
			return nil
		}
		files.Put("f", []byte("the server's"))
		server := fakeserver.Start(t, files, nil)
		t.Chdir(t.TempDir())
		status, _, errs := runProgram(t.Context(), "", "--addr", server.Addr, "get", "f", "--parallel", parallel)
		if status != 1 || !strings.Contains(errs, "appeared while it was downloaded") {
			t.Errorf("status %d, %q", status, errs)
		}
		if got := tree(t)["f"]; got != "mine" {
			t.Errorf("the file has %q", got)
		}
	}
}

// TestGetPatterns: * stops at /, ** does not, and a name that exists is no pattern.
func TestGetPatterns(t *testing.T) {
	files := new(fakeserver.Files)
	for _, name := range []string{"a.pdf", "b.pdf", "c.txt", "photos/1.jpg", "photos/2019/2.jpg", "photosx/3.jpg", "x[1].pdf", "x1.pdf", "docs/d.pdf"} {
		files.Put(name, []byte("the server's "+name))
	}
	server := fakeserver.Start(t, files, nil)
	for _, c := range []struct {
		args   string
		status int
		want   []string
	}{
		{"*.pdf", 0, []string{"a.pdf", "b.pdf", "x1.pdf", "x[1].pdf"}},
		{"*.pdf a.pdf [a]*", 0, []string{"a.pdf", "b.pdf", "x1.pdf", "x[1].pdf"}},
		{"**/*.pdf", 0, []string{"a.pdf", "b.pdf", "docs/d.pdf", "x1.pdf", "x[1].pdf"}},
		{"photos/*", 0, []string{"photos/1.jpg"}},
		{"photos/**", 0, []string{"photos/1.jpg", "photos/2019/2.jpg"}},
		{"x[1].pdf", 0, []string{"x[1].pdf"}},
		{"[x]1.pdf c.txt", 0, []string{"c.txt", "x1.pdf"}},
		{"*.none", 3, nil},
		{"*.none *.nothing", 3, nil},
		{"*.none c.txt", 3, []string{"c.txt"}},
		{"[", 2, nil},
		{"c.* -o d", 0, []string{"d"}},
		{"*.pdf -o d", 2, nil},
	} {
		for _, parallel := range []string{"1", "3"} {
			t.Run(c.args+", parallel "+parallel, func(t *testing.T) {
				t.Chdir(t.TempDir())
				status, out, errs := runProgram(t.Context(), "", append([]string{"--addr", server.Addr, "--json", "get", "--parallel", parallel}, strings.Fields(c.args)...)...)
				if status != c.status {
					t.Errorf("status %d, want %d; %q", status, c.status, errs)
				}
				var got, records []string
				for path, content := range tree(t) {
					if content != "a directory" {
						got = append(got, path)
					}
				}
				for line := range strings.Lines(out) {
					var r getRecord
					if err := json.Unmarshal([]byte(line), &r); err != nil || r.Status != "downloaded" {
						t.Errorf("record %q, %v", line, err)
					}
					records = append(records, r.Path)
				}
				slices.Sort(got)
				slices.Sort(records)
				if !slices.Equal(got, c.want) || !slices.Equal(records, c.want) {
					t.Errorf("got %q, records of %q, want %q", got, records, c.want)
				}
			})
		}
	}
}

// TestGetIdentical: files that are here already are skipped, and that is said.
func TestGetIdentical(t *testing.T) {
	files := &fakeserver.Files{Whole: true}
	for i := range 5 {
		files.Put(fmt.Sprint("f", i), []byte(fmt.Sprint("the server's ", i)))
	}
	server := fakeserver.Start(t, files, nil)
	t.Chdir(t.TempDir())
	get := func(args ...string) (status int, out, errs string) {
		return runProgram(t.Context(), "", append([]string{"--addr", server.Addr}, args...)...)
	}
	if status, _, errs := get("get", "f*", "--parallel", "2"); status != 0 || errs != "" {
		t.Errorf("status %d, %q", status, errs)
	}
	before := tree(t)
	status, _, errs := get("get", "f*")
	if status != 0 || strings.Count(errs, "\n") != 5 || !strings.Contains(errs, "f3: skipped, identical to the server's file\n") {
		t.Errorf("status %d, %q", status, errs)
	}
	if status, _, errs := get("get", "f*", "-q"); status != 0 || errs != "" {
		t.Errorf("quiet: status %d, %q", status, errs)
	}
	status, out, errs := get("--json", "get", "f2")
	if status != 0 || errs != "" || !strings.Contains(out, `"status":"identical"`) || !strings.Contains(out, `"bytes":14,"resumed":0`) {
		t.Errorf("JSON: status %d, %q, %q", status, out, errs)
	}
	if after := tree(t); len(after) != 5 || after["f4"] != before["f4"] {
		t.Errorf("left %v", after)
	}
}

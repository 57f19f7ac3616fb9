// Package docs_test checks the documentation against the code.
package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the directory of the module.
const root = ".."

const module = "example.com/parity/"

// goPackage is a package of this module, by its path in it.
type goPackage struct {
	path    string
	imports []string // of this module
}

// packages returns all packages of the module with Go files other than tests.
func packages(tb testing.TB) []goPackage {
	tb.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		tb.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath       string
			GoFiles, Imports []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			tb.Fatal(err)
		}
		if len(p.GoFiles) == 0 {
			continue
		}
		q := goPackage{path: strings.TrimPrefix(p.ImportPath, module)}
		for _, i := range p.Imports {
			if name, ok := strings.CutPrefix(i, module); ok {
				q.imports = append(q.imports, name)
			}
		}
		all = append(all, q)
	}
}

var code = regexp.MustCompile("`([^`]+)`")

// TestImportTable compares the table of architecture.md with the packages.
func TestImportTable(t *testing.T) {
	_, section, found := strings.Cut(read(t, "architecture.md"), "\n## Imports\n")
	if !found {
		t.Fatal("no section Imports")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		path := strings.Trim(cells[1], " `")
		if _, twice := documented[path]; twice {
			t.Errorf("%s is there twice", path)
		}
		documented[path] = []string{}
		for _, m := range code.FindAllStringSubmatch(cells[3], -1) {
			documented[path] = append(documented[path], m[1])
		}
	}
	for _, p := range packages(t) {
		imports, ok := documented[p.path]
		delete(documented, p.path)
		slices.Sort(imports)
		slices.Sort(p.imports)
		if !ok {
			t.Errorf("%s is missing", p.path)
		} else if !slices.Equal(imports, p.imports) {
			t.Errorf("%s imports %q, the table has %q", p.path, p.imports, imports)
		}
	}
	for path := range documented {
		t.Errorf("%s is no package", path)
	}
}

// TestLayers checks what no package may import, whatever the table says.
func TestLayers(t *testing.T) {
	below := func(dirs ...string) func(string) bool {
		return func(path string) bool {
			return slices.ContainsFunc(dirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
		}
	}
	anything := func(string) bool { return true }
	rules := []struct {
		of        func(path string) bool
		forbidden func(path string) bool
		except    func(path string) bool
	}{
		{below("server"), below("client"), below()},
		{below("client"), below("server"), below()},
		{below("legacytcp"), anything, below("gen")},
		{below("server/internal/filecache", "server/internal/register", "gen", "internal/tlsfiles", "internal/version"), anything, below()},
		{below("server/internal/files"), below("server/internal/register", "server/internal/numbers"), below()},
		{below("server/internal/numbers"), below("server/internal/filecache", "server/internal/files"), below()},
		{below("server/internal/numbers", "server/internal/files"), below("server/internal/inproc", "server/internal/h2", "legacytcp"), below()},
	}
	for _, p := range packages(t) {
		for _, r := range rules {
			if !r.of(p.path) {
				continue
			}
			for _, i := range p.imports {
				if r.forbidden(i) && !r.except(i) {
					t.Errorf("%s must not import %s", p.path, i)
				}
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// TestLinks follows the links of all documents to files of this repository.
func TestLinks(t *testing.T) {
	links := 0
	for _, document := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			target := filepath.Join(filepath.Dir(document), m[1])
			content, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr != nil {
				t.Errorf("%s: link to %s: %v", document, m[1], statErr)
				continue
			} else if info.IsDir() || m[2] == "" {
				continue
			}
			if err != nil || !hasAnchor(string(content), m[2][1:]) {
				t.Errorf("%s: link to %s%s: no such heading", document, m[1], m[2])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links", links)
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// hasAnchor reports whether a document has a heading with that anchor.
func hasAnchor(text, anchor string) bool {
	for line := range strings.Lines(text) {
		heading := strings.TrimLeft(line, "#")
		if heading == line {
			continue
		}
		heading = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
		if strings.ReplaceAll(heading, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// maxLines is the length of a Go file beyond which it has more than one concept.
const maxLines = 400

// TestFileLengths reads all Go files but generated ones.
func TestFileLengths(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == filepath.Join(root, "gen") || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if lines := bytes.Count(text, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", path, lines, maxLines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package docs_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents returns the paths of all documents, relative to this package.
func documents(tb testing.TB) []string {
	tb.Helper()
	all, err := filepath.Glob("*.md")
	if err != nil {
		tb.Fatal(err)
	}
	clients, err := filepath.Glob(filepath.Join(root, "client/*/README.md"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "legacytcp/testdata/README.md"} {
		all = append(all, filepath.Join(root, name))
	}
	return append(all, clients...)
}

// sources returns the paths of the tracked files that have this suffix, relative to root.
func sources(tb testing.TB, suffix string) []string {
	tb.Helper()
	cmd := exec.Command("git", "ls-files", "--", "*"+suffix)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		tb.Skipf("git ls-files: %v", err) // an archive of the sources
	}
	return strings.Fields(string(out))
}

// read returns the text of a file.
func read(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

var sourceName = regexp.MustCompile(`^[\w./-]+\.(go|proto|py|lua)$`)

// TestSourceNames looks up the source files that the documents name without a link, by
// their path in the repository or its end.
func TestSourceNames(t *testing.T) {
	files := slices.Concat(sources(t, ".go"), sources(t, ".proto"), sources(t, ".py"), sources(t, ".lua"))
	names := 0
	for _, document := range documents(t) {
		for _, m := range code.FindAllStringSubmatch(read(t, document), -1) {
			if !sourceName.MatchString(m[1]) {
				continue
			}
			names++
			if !slices.ContainsFunc(files, func(f string) bool { return f == m[1] || strings.HasSuffix(f, "/"+m[1]) }) {
				t.Errorf("%s: there is no file %s", document, m[1])
			}
		}
	}
	if names < 10 {
		t.Errorf("only %d names", names)
	}
}

var (
	testName = regexp.MustCompile(`\b(?:([a-z]\w*)\.)?((?:Test|Fuzz|Benchmark)[A-Z]\w*)`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// TestTestNames looks up the tests that the documents name: NAME is in any package,
// PACKAGE.NAME in that one.
func TestTestNames(t *testing.T) {
	exists := map[string]bool{}
	for _, file := range sources(t, "_test.go") {
		pkg := path.Base(path.Dir(file))
		for _, m := range testFunc.FindAllStringSubmatch(read(t, filepath.Join(root, file)), -1) {
			exists[m[1]] = true
			exists[pkg+"."+m[1]] = true
		}
	}
	names := 0
	for _, document := range documents(t) {
		for _, span := range code.FindAllStringSubmatch(read(t, document), -1) {
			for _, m := range testName.FindAllStringSubmatch(span[1], -1) {
				names++
				if !exists[strings.TrimPrefix(m[1]+"."+m[2], ".")] {
					t.Errorf("%s: there is no test %s", document, m[0])
				}
			}
		}
	}
	if names < 50 {
		t.Errorf("only %d names", names)
	}
}

var (
	metricName = regexp.MustCompile(`"((?:parity|grpc_server)_[a-z_]+)"`)
	metricRow  = regexp.MustCompile("(?m)^\\| `((?:parity|grpc_server)_[a-z_]+)` \\| (?:counter|gauge|histogram) \\| .* \\| .+ \\|$")
)

// TestMetricNames compares the table of metrics with the collectors.
func TestMetricNames(t *testing.T) {
	undocumented := map[string]bool{}
	for _, file := range sources(t, ".go") {
		if path.Dir(file) != "server/internal/metrics" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range metricName.FindAllStringSubmatch(read(t, filepath.Join(root, file)), -1) {
			undocumented[m[1]] = true
		}
	}
	if len(undocumented) < 15 {
		t.Errorf("only %d metrics", len(undocumented))
	}
	for _, m := range metricRow.FindAllStringSubmatch(read(t, "operations.md"), -1) {
		if !undocumented[m[1]] {
			t.Errorf("%s is no metric, or is there twice", m[1])
		}
		delete(undocumented, m[1])
	}
	for name := range undocumented {
		t.Errorf("%s is not documented", name)
	}
}

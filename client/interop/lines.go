package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// sourceOf says where the code of a row is: pathspecs of git, relative to the root of the
// repository, and the suffix of its files.
type sourceOf struct {
	paths  []string
	suffix string
	driver string // part of the paths that belong to the driver; empty: none
}

// sources are the rows that have code here.
var sources = map[string]sourceOf{
	"go": {[]string{
		":(glob)client/*.go", "client/counter", "client/download", "client/internal/backoff", "client/internal/terminal",
		"client/interop/gocases", "client/interop/godriver",
	}, ".go", "interop/"},
	"python":     {[]string{"client/python"}, ".py", "driver/"},
	"typescript": {[]string{"client/typescript"}, ".ts", "driver/"},
	"rust":       {[]string{"client/rust"}, ".rs", "driver/"},
	"java":       {[]string{"client/java"}, ".java", "driver/"},
	"tcp_client": {[]string{"client/tcp_client", "legacytcp/client.go"}, ".go", ""},
}

// linesOf returns the number of lines that are not blank in the client of a row, and in
// its driver, as they are printed. Tests, and what the builds generate, do not count.
func linesOf(ctx context.Context, root, row string) (client, driver string, err error) {
	source, ok := sources[row]
	if !ok {
		return "-", "-", nil
	}
	cmd := exec.CommandContext(ctx, "git", append([]string{"ls-files", "--"}, source.paths...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("git ls-files: %w", err)
	}
	var lines [2]int
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		if path.Ext(name) != source.suffix || isTest(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "", "", err
		}
		of := 0
		if source.driver != "" && strings.Contains(name, source.driver) {
			of = 1
		}
		for line := range bytes.Lines(text) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines[of]++
			}
		}
	}
	driver = strconv.Itoa(lines[1])
	if lines[1] == 0 {
		driver = "-"
	}
	return strconv.Itoa(lines[0]), driver, nil
}

// isTest reports whether a file belongs to the tests of a client.
func isTest(name string) bool {
	base := path.Base(name)
	return strings.Contains(name, "/test/") || strings.Contains(name, "/tests/") ||
		strings.HasPrefix(base, "test_") || strings.HasSuffix(base, "_test.go") ||
		strings.Contains(base, ".test.") || strings.HasSuffix(base, "Test.java")
}

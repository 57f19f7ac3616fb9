package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/alecthomas/units"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/glob"
)

// getCommand downloads files.
type getCommand struct {
	Names     []string         `arg:"" name:"name" help:"The files' names on the server, or patterns of them: * is any text but /, ** any directories. Quote patterns."`
	Output    string           `short:"o" placeholder:"FILE" help:"Local path of a single file; - is standard output."`
	Dir       string           `short:"d" placeholder:"DIR" help:"Directory below which the files are stored, each under its name (the current directory)."`
	Force     bool             `help:"Replace existing local files."`
	Parallel  int              `default:"1" placeholder:"N" help:"Number of connections (${default}): for several files at once, and for ranges of large ones."`
	LimitRate units.Base2Bytes `placeholder:"SIZE" help:"Maximum bytes a second of all files together, such as 1MiB (no limit)."`
	Quiet     bool             `short:"q" help:"Print errors only."`
}

// getRecord is a line of JSON for one file.
type getRecord struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Status   string    `json:"status"` // downloaded; or identical: the local file was the server's already
	Bytes    int64     `json:"bytes"`
	Resumed  int64     `json:"resumed"`
	Version  string    `json:"version"`
	Modified time.Time `json:"modified,omitzero"`
	CRC32C   string    `json:"crc32c"`   // of the whole file, in hexadecimal
	Verified string    `json:"verified"` // what the server's checksums were of: file, the whole of it; ranges, each of its parts
	Seconds  float64   `json:"seconds"`
}

func newGetRecord(r download.Result) getRecord {
	record := getRecord{
		Name: r.Name, Path: r.Path, Status: "downloaded", Bytes: r.Bytes, Resumed: r.Resumed, Version: r.Version,
		Modified: r.Modified, CRC32C: fmt.Sprintf("%08x", r.CRC32C), Verified: "ranges", Seconds: r.Elapsed.Seconds(),
	}
	if r.Identical {
		record.Status = "identical"
	}
	if r.Whole {
		record.Verified = "file"
	}
	return record
}

// toStdout is the output file that means standard output.
const toStdout = "-"

// AfterApply implements command.
func (c *getCommand) AfterApply(line *commandLine) error {
	switch {
	case c.Parallel < 1 || c.Parallel > download.MaxLent:
		return fmt.Errorf("--parallel: must be 1 to %d", download.MaxLent)
	case c.LimitRate < 0:
		return errors.New("--limit-rate: must not be negative")
	case c.Output != "" && c.Dir != "":
		return errors.New("--output and --dir: set one of them at most")
	case c.Output != "" && len(c.Names) > 1:
		return fmt.Errorf("--output: takes one file, and there are %d names; use --dir", len(c.Names))
	case c.Output == toStdout && line.JSON:
		return errors.New("--json and --output=-: both write to standard output; set one of them")
	case c.Output != "":
		return nil
	}
	// What can be said without the server, which knows what patterns match.
	var names []string
	for _, name := range c.Names {
		if !glob.Is(name) {
			names = append(names, name)
		}
	}
	return c.checkPaths(names)
}

// checkPaths returns an error if one of the names leads to no path below c.Dir, or two to
// the same path.
func (c *getCommand) checkPaths(names []string) error {
	taken := map[string]string{} // names by the path that they lead to
	for _, name := range names {
		path, err := download.LocalPath(name)
		if err != nil {
			return fmt.Errorf("%w; use --output", err)
		}
		path = actual(filepath.Join(c.Dir, path))
		if other, ok := taken[path]; ok {
			return fmt.Errorf("%q and %q would be one file, %s", other, name, path)
		}
		taken[path] = name
	}
	return nil
}

// actual returns path without symbolic links, as far as its directories exist.
func actual(path string) string {
	dir, base := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	if to, err := filepath.EvalSymlinks(dir); err == nil {
		return filepath.Join(to, base)
	}
	if dir = filepath.Clean(dir); dir == "." || dir == string(filepath.Separator) {
		return path
	}
	return filepath.Join(actual(dir), base)
}

// Run implements command.
func (c *getCommand) Run(ctx context.Context, p *program) error {
	names, missing, err := c.expand(ctx, p)
	if err != nil {
		return err
	}
	f := newFetch(c, p, len(names)+len(missing))
	defer f.close()
	for _, err := range missing {
		f.failed(err, "")
	}
	if err := f.all(ctx, names); err != nil {
		return err
	}
	return f.result(ctx)
}

// failures are the errors of some of many files. Each has been printed.
type failures struct {
	errs []error
	of   int // files
	left int // of them, how many were not tried
}

func (f failures) Error() string {
	if f.left > 0 {
		return fmt.Sprintf("%d of %d files failed, %d were not tried", len(f.errs), f.of, f.left)
	}
	return fmt.Sprintf("%d of %d files failed", len(f.errs), f.of)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// getCommand downloads files.
type getCommand struct {
	Names  []string `arg:"" name:"name" help:"The files' names on the server."`
	Output string   `short:"o" placeholder:"FILE" help:"Local path of a single file; - is standard output."`
	Dir    string   `short:"d" placeholder:"DIR" help:"Directory below which the files are stored, each under its name (the current directory)."`
	Force  bool     `help:"Replace existing local files."`
}

type getRecord struct {
	Name     string  `json:"name"`
	Path     string  `json:"path"`
	Bytes    int64   `json:"bytes"`
	Resumed  int64   `json:"resumed"`
	Version  string  `json:"version"`
	Verified string  `json:"verified"` // what the server's checksums were of: file, the whole of it; ranges, each of its parts
	Seconds  float64 `json:"seconds"`
}

// toStdout is the output file that means standard output.
const toStdout = "-"

// AfterApply implements command.
func (c *getCommand) AfterApply(line *commandLine) error {
	switch {
	case c.Output != "" && c.Dir != "":
		return errors.New("--output and --dir: set one of them at most")
	case c.Output != "" && len(c.Names) > 1:
		return fmt.Errorf("--output: takes one file, and there are %d names; use --dir", len(c.Names))
	case c.Output == toStdout && line.JSON:
		return errors.New("--json and --output=-: both write to standard output; set one of them")
	case c.Output != "":
		return nil
	}
	names := map[string]string{} // by the path that they lead to
	for _, name := range c.Names {
		path, err := download.LocalPath(name)
		if err != nil {
			return fmt.Errorf("%w; use --output", err)
		}
		path = actual(filepath.Join(c.Dir, path))
		if other, taken := names[path]; taken {
			return fmt.Errorf("%q and %q would be one file, %s", other, name, path)
		}
		names[path] = name
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
	files := filesv1.NewFileServiceClient(p.conn)
	if len(c.Names) == 1 {
		return c.get(ctx, files, c.Names[0], p)
	}
	// A failure does not stop the other downloads.
	failed := failures{of: len(c.Names)}
	for _, name := range c.Names {
		err := c.get(ctx, files, name, p)
		if err == nil {
			continue
		}
		failed.errs = append(failed.errs, err)
		fmt.Fprintf(p.err, "client: %s: %s\n", terminal.Escape(name), terminal.Error(err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(failed.errs) > 0 {
		return failed
	}
	return nil
}

// failures are the errors of some of many files. Each has been printed.
type failures struct {
	errs []error
	of   int
}

func (f failures) Error() string { return fmt.Sprintf("%d of %d files failed", len(f.errs), f.of) }

// get downloads one file.
func (c *getCommand) get(ctx context.Context, files filesv1.FileServiceClient, name string, p *program) error {
	bar := progress{w: p.err, name: name}
	say := func(line string) {
		bar.clear()
		fmt.Fprintln(p.err, line)
	}
	opts := download.Options{Force: c.Force, Notice: say}
	if terminal.Is(p.err) && (c.Output != toStdout || !terminal.Is(p.out)) {
		opts.Progress = bar.update
	}
	defer bar.clear()

	var r download.Result
	var err error
	switch c.Output {
	case toStdout:
		_, err = download.Copy(ctx, files, name, p.out, opts)
		return err
	case "":
		r, err = download.GetBelow(ctx, files, name, c.Dir, opts)
	default:
		r, err = download.Get(ctx, files, name, c.Output, opts)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; --force replaces it", err)
	} else if err != nil {
		return err
	}
	verified, checked := "ranges", "checksum of each part right"
	if r.Whole {
		verified, checked = "file", "checksum right"
	}
	say(fmt.Sprintf("%s: %d bytes, %s", terminal.Escape(r.Path), r.Bytes, checked))
	if !p.json {
		return nil
	}
	return p.print(getRecord{r.Name, r.Path, r.Bytes, r.Resumed, r.Version, verified, r.Elapsed.Seconds()}, "")
}

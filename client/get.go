package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

type getCommand struct {
	Name string `arg:"" help:"The file's name on the server."`
	Dest string `arg:"" optional:"" help:"Where to put it: a file or a directory; - writes it to standard output. If left out, the current directory."`
}

type getRecord struct {
	Name     string  `json:"name"`
	Path     string  `json:"path"`
	Bytes    int64   `json:"bytes"`
	Resumed  int64   `json:"resumed"`
	Version  string  `json:"version"`
	Verified bool    `json:"verified"`
	Seconds  float64 `json:"seconds"`
}

func (c *getCommand) Run(ctx context.Context, conn grpc.ClientConnInterface, s streams, out output) error {
	toStdout := c.Dest == "-"
	if toStdout && out.json {
		return usageError{errors.New("--json: standard output is for the file where DEST is -")}
	}
	files := filesv1.NewFileServiceClient(conn)
	bar := progress{w: s.err, name: c.Name}
	say := func(line string) {
		bar.clear()
		fmt.Fprintln(s.err, line)
	}
	opts := download.Options{Notice: say}
	if terminal.Is(s.err) && (!toStdout || !terminal.Is(s.out)) {
		opts.Progress = bar.update
	}

	if toStdout {
		defer bar.clear()
		_, err := download.Copy(ctx, files, c.Name, s.out, opts)
		return err
	}
	r, err := download.Get(ctx, files, c.Name, c.Dest, opts)
	bar.clear()
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%s: %d bytes, checksum right", terminal.Escape(r.Path), r.Bytes))
	if !out.json {
		return nil
	}
	return out.print(getRecord{r.Name, r.Path, r.Bytes, r.Resumed, r.Version, true, r.Elapsed.Seconds()}, "")
}

package main

import (
	"context"
	"fmt"
	"time"

	"example.com/parity/client/internal/explain"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// statCommand describes one file. The server does not read it.
type statCommand struct {
	Name string `arg:"" help:"The file's name on the server."`
	bytesFlag
}

// Run implements command.
func (c *statCommand) Run(ctx context.Context, p *program) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := filesv1.NewFileServiceClient(p.conn).Stat(ctx, &filesv1.StatRequest{Name: c.Name})
	if err != nil {
		return explain.About(err, c.Name)
	}
	r := newFileRecord(resp.GetFile())
	if p.json {
		return p.print(r, "")
	}
	cached := "no"
	if r.Cached {
		cached = "yes"
	}
	bytes := fmt.Sprint(r.SizeBytes)
	if !c.Bytes {
		bytes = fmt.Sprintf("%s (%d bytes)", size(r.SizeBytes), r.SizeBytes)
	}
	modified := "-"
	if !r.Modified.IsZero() {
		modified = r.Modified.Local().Format("2006-01-02 15:04:05.999999999 -0700")
		if age := time.Since(r.Modified); age > 0 {
			modified += " (" + duration(age) + " ago)"
		}
	}
	for _, line := range [][2]string{
		{"name", r.Name}, {"size", bytes}, {"modified", modified}, {"version", r.Version}, {"cached", cached},
	} {
		if err := p.print(nil, "%-9s %s", line[0]+":", line[1]); err != nil {
			return err
		}
	}
	return nil
}

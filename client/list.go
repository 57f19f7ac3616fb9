package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// listCommand prints the files in the cache, or all.
type listCommand struct {
	All bool `help:"Print all files of the server, with * before the cached ones."`
}

type fileRecord struct {
	Name      string    `json:"name"`
	SizeBytes int64     `json:"size_bytes"`
	Modified  time.Time `json:"modified"`
	Version   string    `json:"version"`
	Cached    bool      `json:"cached"`
}

// Run implements command.
func (c *listCommand) Run(ctx context.Context, p *program) error {
	files := filesv1.NewFileServiceClient(p.conn)
	source := filesv1.Source_SOURCE_CACHE
	if c.All {
		source = filesv1.Source_SOURCE_DIRECTORY
	}
	var last *filesv1.ListResponse
	err := pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := files.List(ctx, &filesv1.ListRequest{Source: source, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, f := range page.GetFiles() {
			if err := c.print(p.output, f); err != nil {
				return "", err
			}
		}
		last = page
		return page.GetNextPageToken(), nil
	})
	if err == nil {
		fmt.Fprintf(p.err, "cache: %d of %d bytes used\n", last.GetCacheUsedBytes(), last.GetCacheCapacityBytes())
	}
	return err
}

func (c *listCommand) print(out output, f *filesv1.File) error {
	mark := ""
	switch {
	case c.All && f.GetCached():
		mark = "* "
	case c.All:
		mark = "  "
	}
	r := fileRecord{f.GetName(), f.GetSizeBytes(), f.GetModified().AsTime(), f.GetVersion(), f.GetCached()}
	return out.print(r, "%s%12d  %s  %s", mark, r.SizeBytes, localTime(r.Modified), r.Name)
}

// pages calls fetch for one page after another. fetch gets the token of its page and
// returns that of the next one, which is empty after the last page.
func pages(ctx context.Context, fetch func(ctx context.Context, token string) (next string, err error)) error {
	token := ""
	for {
		pageCtx, cancel := context.WithTimeout(ctx, callTimeout)
		next, err := fetch(pageCtx, token)
		cancel()
		switch {
		case err != nil:
			return err
		case next == "":
			return nil
		case next == token:
			return errors.New("the server repeats a page")
		}
		token = next
	}
}

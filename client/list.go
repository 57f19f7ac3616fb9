package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"

	"example.com/parity/client/internal/glob"
	"example.com/parity/client/internal/table"
	"example.com/parity/client/internal/terminal"
)

// listCommand prints the files in the cache, or all.
type listCommand struct {
	Pattern string `arg:"" optional:"" name:"glob" help:"Print only files whose names match: * is any text but /, ** any directories. A name that ends in / is everything below."`
	All     bool   `help:"Print all files of the server, not only those in its cache."`
	bytesFlag

	pattern glob.Pattern
}

// fileRecord is a line of JSON for one file.
type fileRecord struct {
	Name      string    `json:"name"`
	SizeBytes int64     `json:"size_bytes"`
	Modified  time.Time `json:"modified,omitzero"`
	Version   string    `json:"version"`
	Cached    bool      `json:"cached"`
}

func newFileRecord(f *filesv1.File) fileRecord {
	return fileRecord{f.GetName(), f.GetSizeBytes(), timeOf(f.GetModified()), f.GetVersion(), f.GetCached()}
}

// cacheRecord is the last line of JSON of a list: the use of the whole cache, whatever was
// listed.
type cacheRecord struct {
	UsedBytes     int64 `json:"cache_used_bytes"`
	CapacityBytes int64 `json:"cache_capacity_bytes"`
}

// AfterApply implements command.
func (c *listCommand) AfterApply() error {
	pattern, err := glob.Parse(c.Pattern)
	if err != nil {
		return fmt.Errorf("<glob>: %w", err)
	}
	c.pattern = pattern
	return nil
}

// Run implements command.
func (c *listCommand) Run(ctx context.Context, p *program) error {
	source := filesv1.Source_SOURCE_CACHE
	if c.All {
		source = filesv1.Source_SOURCE_DIRECTORY
	}
	columns := []table.Column{{Title: "SIZE", Right: true, Min: 8}, {Title: "MODIFIED", Min: len(time.DateTime)}}
	if c.All {
		columns = append(columns, table.Column{Title: "CACHED"})
	}
	rows := table.New(p.out, p.style, append(columns, table.Column{Title: "NAME"})...)
	files, listed := filesv1.NewFileServiceClient(p.conn), 0
	var last *filesv1.ListResponse
	err := pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := files.List(ctx, &filesv1.ListRequest{Source: source, Prefix: c.pattern.Prefix(), PageToken: token})
		if err != nil {
			return "", err
		}
		last = page
		for _, f := range page.GetFiles() {
			if !c.pattern.Match(f.GetName()) {
				continue
			}
			listed++
			r := newFileRecord(f)
			if p.json {
				if err := p.print(r, ""); err != nil {
					return "", err
				}
				continue
			}
			rows.Cells(c.row(r)...)
		}
		if !p.json && listed > 0 {
			err = rows.Flush()
		}
		return page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if p.json {
		return p.print(cacheRecord{last.GetCacheUsedBytes(), last.GetCacheCapacityBytes()}, "")
	}
	if listed == 0 {
		p.note(c.none())
	}
	p.note("cache: " + c.cacheUse(last.GetCacheUsedBytes(), last.GetCacheCapacityBytes()) + " used")
	return nil
}

func (c *listCommand) row(r fileRecord) []table.Cell {
	cells := []table.Cell{{Text: c.size(r.SizeBytes)}, {Text: localTime(r.Modified)}}
	if c.All {
		cached := table.Cell{Text: "-"}
		if r.Cached {
			cached = table.Cell{Text: "yes", Color: terminal.Green}
		}
		cells = append(cells, cached)
	}
	return append(cells, table.Cell{Text: r.Name})
}

// none says that a list is empty, and why that may be.
func (c *listCommand) none() string {
	text := "no files"
	if c.Pattern != "" {
		text = c.Pattern + ": no such files"
	}
	if !c.All {
		text += " in the cache; --all lists those on the server's disk too"
	}
	return text
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

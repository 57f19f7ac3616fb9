package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/terminal"
	"example.com/parity/legacytcp"
)

// list prints the names of the cached files, one on each line.
func list(ctx context.Context, addr string, out io.Writer) error {
	names, err := legacytcp.List(ctx, addr)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(out, terminal.Escape(name)); err != nil {
			return err
		}
	}
	return nil
}

// fetch downloads the file name to dir, under the last element of name. The protocol has
// no checksum: only a clean EOF tells that the file is complete, and only then does it
// appear.
func fetch(ctx context.Context, addr, name, dir string, messages io.Writer) error {
	base, err := download.BaseName(name)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, base)
	temporary := filepath.Join(dir, fmt.Sprintf(".%016x.part", rand.Uint64()))
	part, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	n, err := legacytcp.Fetch(ctx, addr, name, part)
	if err == nil {
		err = part.Sync()
	}
	err = errors.Join(err, part.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	fmt.Fprintf(messages, "%s: %d bytes\n", terminal.Escape(path), n)
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

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
// appear. It replaces a file that is there, as the original client did.
func fetch(ctx context.Context, addr, name, dir string, notFound []string, messages io.Writer) error {
	base, err := download.BaseName(name)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, base)
	mode, replaces, err := replaceable(path)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, fmt.Sprintf(".%016x.part", rand.Uint64()))
	part, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	n, err := legacytcp.Fetch(ctx, addr, name, part, notFound...)
	said := shortLine(part, n)
	if err == nil && replaces {
		err = part.Chmod(mode)
	}
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
	if said != "" {
		said = fmt.Sprintf(": %q", said)
	}
	fmt.Fprintf(messages, "%s: %d bytes%s\n", terminal.Escape(path), n, said)
	return nil
}

// replaceable returns an error if a download must not replace what is at path: a
// directory, a device, a pipe, or a file that this user may not write. Of a regular file it
// returns the permissions, which the new one gets. A symbolic link is replaced itself:
// what it leads to stays.
func replaceable(path string) (mode fs.FileMode, replaces bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case info.Mode().Type() == fs.ModeSymlink:
		return 0, false, nil
	case !info.Mode().IsRegular():
		return 0, false, fmt.Errorf("%q is there and is not a file", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, false, err
	}
	return info.Mode().Perm(), true, f.Close()
}

// maxSaid is the maximum length of a file that is shown, in bytes.
const maxSaid = 80

// shortLine returns the content of a file of n bytes if it is one short line without an
// end. It may be an original server's way to say that it does not have the file, in words
// that this program does not know, so the user should see it.
func shortLine(file io.ReaderAt, n int64) string {
	if n == 0 || n > maxSaid {
		return ""
	}
	content := make([]byte, n)
	if _, err := file.ReadAt(content, 0); err != nil || !utf8.Valid(content) {
		return ""
	}
	text := string(content)
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return text
}

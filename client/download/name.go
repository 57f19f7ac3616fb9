package download

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// errNotRegular says that a destination is there and takes bytes, but is not a
// file that another can be put in the place of.
var errNotRegular = errors.New("not a regular file")

// BaseName returns the file name for a download of name, which is anything at
// all: its last element, with "_" for each control character. It is an error
// where that does not name a file in a directory, such as "..".
func BaseName(name string) (string, error) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	base = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, base)
	if base == "." || !filepath.IsLocal(base) || filepath.Base(base) != base {
		return "", fmt.Errorf("%q does not end in a name for a file", name)
	}
	return base, nil
}

// destination returns the path at which a download of name to dest appears.
func destination(name, dest string) (string, error) {
	if dest == "" {
		dest = "."
	}
	info, err := os.Stat(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !os.IsPathSeparator(dest[len(dest)-1]):
		return dest, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return inDirectory(dest, name)
	case !info.Mode().IsRegular():
		return "", errNotRegular
	}
	return filepath.EvalSymlinks(dest)
}

// inDirectory returns the path in dir at which a download of name appears. A
// link of that name is not followed, as it may lead out of dir; it is replaced.
func inDirectory(dir, name string) (string, error) {
	base, err := BaseName(name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, base)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", err
	case info.Mode().Type()&^fs.ModeSymlink != 0:
		return "", fmt.Errorf("%q is there and is not a file", path)
	}
	return path, nil
}

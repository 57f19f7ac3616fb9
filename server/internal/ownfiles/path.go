package ownfiles

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// IsBelow reports whether path, whose file need not exist, leads to a place below dir.
func IsBelow(dir, path string) bool {
	dir, err := resolve(dir)
	if err != nil {
		return false
	}
	resolved, err := resolve(path)
	if errors.Is(err, fs.ErrNotExist) { // the file may be created later
		resolved, err = resolve(filepath.Dir(path))
		resolved = filepath.Join(resolved, filepath.Base(path))
	}
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, resolved)
	return err == nil && filepath.IsLocal(rel)
}

// resolve returns the absolute path of a file without symbolic links.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

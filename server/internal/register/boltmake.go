package register

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// unfinishedMark stands in the names of registers that are being made, after the name
// that they are made for and before a random text.
const unfinishedMark = ".unfinished-"

// makeFile makes an empty register at path. It is made under another name, so that
// path leads to a whole register or to nothing, whenever the program is killed or
// the disk is full. It does not replace a file: where two servers start at once, one
// of them makes it, and both go on to open that one.
func makeFile(path string) error {
	target, err := linkTarget(path)
	if err != nil {
		return err
	}
	unfinished := target + unfinishedMark + rand.Text()
	defer os.Remove(unfinished) //nolint:errcheck // a later start does
	if err := guard(func() error { return makeRegister(unfinished) }); err != nil {
		return fmt.Errorf("cannot be made: %w", err)
	}
	if err := publish(unfinished, target); err != nil {
		return fmt.Errorf("cannot be made: %w", err)
	}
	// A file's name is durable only when its directory is. Not every system can sync
	// one.
	if dir, err := os.Open(filepath.Dir(target)); err == nil {
		dir.Sync() //nolint:errcheck // see above
		dir.Close()
	}
	return nil
}

// makeRegister writes an empty register and syncs it.
func makeRegister(path string) (err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Update(initialize)
}

// publish gives a file the name that it was made for, unless that is taken.
func publish(unfinished, path string) error {
	err := os.Link(unfinished, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Another server was faster, and has tidied up; or there are no hard links here.
	if _, statErr := os.Lstat(path); !errors.Is(statErr, fs.ErrNotExist) {
		return statErr
	}
	return os.Rename(unfinished, path)
}

// linkTarget returns where a symbolic link leads to whose target does not exist yet,
// and any other path as it is.
func linkTarget(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSymlink {
		return path, nil //nolint:nilerr // there is nothing at path
	}
	target, err := os.Readlink(path)
	if err == nil && !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return target, err
}

// unfinished returns the files that were made for path and never got its name: their
// server was killed, or is starting at this moment.
func unfinished(path string) []string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), name+unfinishedMark)
		if ok && len(text) == len(rand.Text()) {
			paths = append(paths, dir+e.Name())
		}
	}
	return paths
}

// removeUnfinished removes them. The register at path must be open: nobody needs
// another one.
func removeUnfinished(path string) {
	for _, path := range unfinished(path) {
		os.Remove(path) //nolint:errcheck // it is in nobody's way
	}
}

package register

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unfinishedMark is part of the names of registers that are being created: it follows
// the final name, and a random text follows it.
const unfinishedMark = ".unfinished-"

// create creates a file at path. make writes it under another name, so that path leads
// to a complete file or to none, even if the program is killed or the disk is full.
// create does not replace a file: if two servers start at once, one of them creates it,
// and both go on to open that one.
func create(path string, make func(path string) error) error {
	target, err := linkTarget(path)
	if err != nil {
		return err
	}
	unfinished := target + unfinishedMark + rand.Text()
	defer removeFiles(unfinished)
	if err := make(unfinished); err != nil {
		if _, statErr := os.Lstat(target); statErr == nil {
			return nil // another server was faster, and removed unfinished
		}
		return err
	}
	if err := publish(unfinished, target); err != nil {
		return err
	}
	// A name is durable only when its directory has been synced. Not every platform can
	// sync one.
	if dir, err := os.Open(filepath.Dir(target)); err == nil {
		dir.Sync() //nolint:errcheck // see above
		dir.Close()
	}
	return nil
}

// publish gives a file its final name, unless that is taken.
func publish(unfinished, path string) error {
	err := os.Link(unfinished, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Another server was faster, and removed unfinished; or there are no hard links.
	if _, statErr := os.Lstat(path); !errors.Is(statErr, fs.ErrNotExist) {
		return statErr
	}
	return os.Rename(unfinished, path)
}

// linkTarget returns the target of a symbolic link to a file that does not exist yet,
// and any other path unchanged.
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

// unfinished returns the files that were being created for path and never got its name:
// their server was killed, or is starting at this moment.
func unfinished(path string) []string {
	path = resolved(path)
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), name+unfinishedMark)
		for _, suffix := range companions {
			text = strings.TrimSuffix(text, suffix)
		}
		if ok && len(text) == len(rand.Text()) {
			paths = append(paths, dir+e.Name())
		}
	}
	return paths
}

// resolved returns path without symbolic links. Its file need not exist.
func resolved(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		return target
	}
	if target, err = linkTarget(path); err != nil {
		return path
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(target))
	if err != nil {
		return target
	}
	return filepath.Join(dir, filepath.Base(target))
}

// removeUnfinished removes them. The register at path must be open: nobody needs
// another one.
func removeUnfinished(path string) {
	for _, path := range unfinished(path) {
		os.Remove(path) //nolint:errcheck // a later start tries again
	}
}

// removeFiles removes a database file with its companions.
func removeFiles(path string) {
	for _, suffix := range append([]string{""}, companions...) {
		os.Remove(path + suffix) //nolint:errcheck // a later start tries again
	}
}

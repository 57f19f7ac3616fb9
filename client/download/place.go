package download

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// errNotRegular means that a destination exists and can be written to, but is not a file
// that can be replaced.
var errNotRegular = errors.New("not a regular file")

// BaseName returns the local file name for a download of name, which is untrusted: its
// last element, with "_" for each control character. It is an error if that cannot be the
// name of a file, such as "..".
func BaseName(name string) (string, error) {
	return localElement(name, name[strings.LastIndexByte(name, '/')+1:])
}

// LocalPath returns the path below a directory for a download of name: its elements
// as BaseName has them, with the system's separators. It is an error where one of
// them is empty or does not name a file, so that it never leads above the directory.
func LocalPath(name string) (string, error) {
	elements := strings.Split(name, "/")
	for i, e := range elements {
		var err error
		if elements[i], err = localElement(name, e); err != nil {
			return "", err
		}
	}
	return filepath.Join(elements...), nil
}

func localElement(name, element string) (string, error) {
	local := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, element)
	if local == "." || !filepath.IsLocal(local) || filepath.Base(local) != local {
		return "", fmt.Errorf("%q is no name for a file below a directory", name)
	}
	return local, nil
}

// destination is where a download is to appear.
type destination struct {
	dir   string // a directory that is there
	local string // the path below it, which leads nowhere else
	force bool   // whether a file that is there may be replaced
}

// atPath is the destination with exactly that path. A link that is there is
// followed.
func atPath(file string, force bool) (destination, error) {
	if file == "" || os.IsPathSeparator(file[len(file)-1]) {
		return destination{}, fmt.Errorf("%q is no name for a file", file)
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return destination{}, err
	case info.IsDir():
		return destination{}, fmt.Errorf("%q is a directory", file)
	case info.Mode().Type() == fs.ModeDevice:
		// Bytes written to a disk are not a file in its place.
		return destination{}, fmt.Errorf("%q is a block device", file)
	case !info.Mode().IsRegular():
		return destination{}, errNotRegular
	case force:
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return destination{}, err
		}
	}
	return destination{filepath.Dir(file), filepath.Base(file), force}, nil
}

// below is the destination for a download of name below dir.
func below(dir, name string, force bool) (destination, error) {
	local, err := LocalPath(name)
	if dir == "" {
		dir = "."
	}
	return destination{dir, local, force}, err
}

// path is what people call it.
func (d destination) path() string { return filepath.Join(d.dir, d.local) }

// check returns an error if nothing can be put there, or what is there must stay:
// fs.ErrExist.
func (d destination) check() error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return d.checkIn(root, d.local)
}

// checkIn is check, of a name in a directory.
func (d destination) checkIn(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type()&^fs.ModeSymlink != 0:
		return fmt.Errorf("%q is there and is not a file", d.path())
	case !d.force:
		return fmt.Errorf("%q: %w", d.path(), fs.ErrExist)
	}
	return nil
}

// open opens the directory that the file is to be in, and makes the directories that
// lead there from d.dir. They may be links, but only to what is below d.dir.
func (d destination) open() (*os.Root, error) {
	root, err := os.OpenRoot(d.dir)
	sub := path.Dir(filepath.ToSlash(d.local))
	if err != nil || sub == "." {
		return root, err
	}
	defer root.Close()
	if err := root.MkdirAll(sub, 0o777); err != nil {
		return nil, err
	}
	return root.OpenRoot(sub)
}

// put gives the file called from in dir its place. What has appeared there in the
// meantime stays, unless it may be replaced.
func (d destination) put(dir *os.Root, from string) error {
	to := filepath.Base(d.local)
	if d.force {
		if err := d.checkIn(dir, to); err != nil {
			return err
		}
		return dir.Rename(from, to)
	}
	err := renameNew(dir, from, to)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%q: %w", d.path(), fs.ErrExist)
	}
	return err
}

// linkNew renames a file unless the new name is taken, where the system has no one
// call for that: it gives the file a second name, and removes the first. A process that
// dies in between leaves both, which openLocked knows.
func linkNew(dir *os.Root, from, to string) error {
	err := dir.Link(from, to)
	switch {
	case err == nil:
		return dir.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return claimNew(dir, from, to)
}

// claimNew renames a file unless the new name is taken, where a file can have one name
// only, as on FAT: it makes an empty file of the new name, which fails where there is
// one, and replaces that. A process that dies in between leaves the empty file.
func claimNew(dir *os.Root, from, to string) error {
	claim, err := dir.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := claim.Close(); err != nil {
		return errors.Join(err, dir.Remove(to))
	}
	if err := dir.Rename(from, to); err != nil {
		return errors.Join(err, dir.Remove(to))
	}
	return nil
}

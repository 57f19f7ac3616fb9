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

// LocalPath returns the path below a directory for a download of name: its elements as
// BaseName returns them, with the system's separators. It is an error if one of them is
// empty or cannot be the name of a file, so that the path never leads above the directory.
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

// destination is where a download will appear.
type destination struct {
	dir   string // a directory that is there
	local string // the path below it, which leads nowhere else
	force bool   // whether a file that is there may be replaced
}

// atPath returns the destination with that path. It follows symbolic links.
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
		// Writing to a block device would overwrite the disk.
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

// below returns the destination of a download of name below dir.
func below(dir, name string, force bool) (destination, error) {
	local, err := LocalPath(name)
	if dir == "" {
		dir = "."
	}
	return destination{dir, local, force}, err
}

// path returns the path for messages.
func (d destination) path() string { return filepath.Join(d.dir, d.local) }

// errClash means that two names of one group lead to one file.
var errClash = errors.New("another file of this download has this place")

// check returns an error if the destination cannot be written, or fs.ErrExist if it has a
// file that must stay.
func (d destination) check(group *Group) error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	group.mu.Lock()
	defer group.mu.Unlock()
	return d.checkIn(root, d.local, group)
}

// checkIn does the same for a name in a directory. The group's mutex must be held.
func (d destination) checkIn(dir *os.Root, name string, group *Group) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type()&^fs.ModeSymlink != 0:
		return fmt.Errorf("%q is there and is not a file", d.path())
	case group.isPlaced(info):
		return fmt.Errorf("%s: %w", d.path(), errClash)
	case !d.force:
		return d.exists("left alone")
	}
	return nil
}

// begun reports whether there may be part files of the destination.
func (d destination) begun() bool {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return false
	}
	defer root.Close()
	dir, err := root.OpenRoot(filepath.Dir(d.local))
	if err != nil {
		return false
	}
	defer dir.Close()
	parts, _ := partsOf(dir, filepath.Base(d.local))
	return len(parts) > 0
}

// open opens the directory of the file, and creates the directories between it and d.dir.
// They may be symbolic links, but only to directories below d.dir.
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

// put renames the file from in dir to the destination. A file that has appeared there
// meanwhile stays, unless it may be replaced; one of the same group stays in any case.
func (d destination) put(dir *os.Root, from string, group *Group) error {
	group.mu.Lock()
	defer group.mu.Unlock()
	to := filepath.Base(d.local)
	err := d.checkIn(dir, to, group)
	switch {
	case err != nil:
	case d.force:
		err = dir.Rename(from, to)
	default:
		err = renameNew(dir, from, to)
	}
	if errors.Is(err, fs.ErrExist) {
		return d.exists("and appeared while it was downloaded")
	} else if err != nil {
		return err
	}
	if info, err := dir.Lstat(to); err == nil {
		group.placed = append(group.placed, info)
	}
	return nil
}

// linkNew renames a file unless the new name is taken, on systems without a single call
// for that: it links the file to the new name, and removes the old one. If the process
// dies between the two, both names remain, which openLocked handles.
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

// claimNew renames a file unless the new name is taken, on file systems without hard
// links, such as FAT: it creates an empty file with the new name, which fails if there is
// one, and replaces that. If the process dies between the two, the empty file remains.
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

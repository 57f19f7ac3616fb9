package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// part is the hidden file beside the destination that holds an incomplete download, each
// byte at its place in the file. Behind the bytes of the file it has a journal of the ranges
// that have been verified, which is cut off at the end. It is locked while it is open. Its
// methods may be called concurrently.
type part struct {
	dir  *os.Root
	file *os.File
	name string  // in dir
	size int64   // of the complete file
	held []piece // what it held when it was opened

	mu      sync.Mutex
	records int64 // in the journal
	sync    backgroundSync
}

var (
	errBusy = errors.New("another download to it is under way")
	// errReplaced means that another download removed the file, or renamed it to its
	// destination, between its opening and its locking.
	errReplaced = errors.New("removed while it was opened")
	errNotOurs  = errors.New("not a file that a download left")
)

// openPart opens the part file of a file named base in dir, of size bytes and the version
// content, and verifies what it holds. It removes part files of other versions, and fails
// if one of them is in use. The part owns dir and closes it, also after an error.
func openPart(ctx context.Context, dir *os.Root, base, content string, size int64) (*part, error) {
	name := partName(base, content)
	p, err := open(ctx, dir, base, name, size)
	for errors.Is(err, errReplaced) {
		p, err = open(ctx, dir, base, name, size)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	if err := removeOthers(dir, base, name); err != nil {
		return nil, errors.Join(err, p.keep(p.heldBytes()))
	}
	return p, nil
}

// open opens or creates the part file of a file of the given size.
func open(ctx context.Context, dir *os.Root, base, name string, size int64) (_ *part, err error) {
	f, err := openLocked(dir, base, name, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	p := &part{dir: dir, file: f, name: name, size: size}
	if err := p.load(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *part) heldBytes() (n int64) {
	for _, piece := range p.held {
		n += piece.size
	}
	return n
}

// openLocked opens a part file for base that only a download of this user can have
// created: in a directory that others can write to, they could have put a symbolic link or
// other content there.
func openLocked(dir *os.Root, base, name string, flag int) (_ *os.File, err error) {
	f, err := dir.OpenFile(name, os.O_RDWR|flag|openSafely, 0o666)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := lock(f); err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	there, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errReplaced
	case err != nil:
		return nil, err
	case !there.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w", name, errNotOurs) // a link: os.Root follows them
	case !os.SameFile(opened, there):
		return nil, errReplaced
	case isFile(dir, base, opened):
		// It was linked to its destination, and the process died before removing this name.
		if err := dir.Remove(name); err != nil {
			return nil, err
		}
		return nil, errReplaced
	case !ours(f, opened):
		return nil, fmt.Errorf("%s: %w", name, errNotOurs)
	}
	return f, nil
}

// isFile reports whether an open file is the one named name in dir.
func isFile(dir *os.Root, name string, opened fs.FileInfo) bool {
	there, err := dir.Lstat(name)
	return err == nil && os.SameFile(opened, there)
}

// removeOthers removes the part files for base in dir, except keep.
func removeOthers(dir *os.Root, base, keep string) error {
	names, err := partsOf(dir, base)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == keep {
			continue
		}
		f, err := openLocked(dir, base, name, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced):
			continue
		case err != nil:
			return err
		}
		if err := errors.Join(dir.Remove(name), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// partsOf returns the names of the part files for base in dir.
func partsOf(dir *os.Root, base string) ([]string, error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool { return !isPartName(name, base) }), err
}

// put writes a verified segment.
func (p *part) put(offset int64, s *segment) error {
	if _, err := s.WriteTo(io.NewOffsetWriter(p.file, offset)); err != nil {
		return err
	}
	if err := p.record(piece{span{offset, s.size}, s.crc}); err != nil {
		return err
	}
	return p.sync.after(p.file, s.size)
}

// commit gives the complete file its modification time, if it has one, and renames it to
// its destination. It keeps the lock meanwhile, so that no other download takes it for its
// own part file.
func (p *part) commit(to destination, group *Group, modified time.Time) error {
	// The data first, with its journal: if this is interrupted, nothing is lost.
	if err := errors.Join(p.sync.wait(), p.file.Sync()); err != nil {
		return err
	}
	if err := p.file.Truncate(p.size); err != nil {
		return err
	}
	if !modified.IsZero() {
		if err := p.dir.Chtimes(p.name, modified, modified); err != nil {
			return errors.Join(err, p.restoreJournal())
		}
	}
	// Then the length: no file system may keep the new name and the old length.
	err := p.file.Sync()
	if err == nil {
		err = to.put(p.dir, p.name, group)
	}
	if err != nil {
		return errors.Join(err, p.restoreJournal())
	}
	return p.close()
}

// keep leaves what is held, so many bytes, for the next download, and removes the file if
// that is nothing.
func (p *part) keep(held int64) error {
	if held == 0 {
		return p.discard()
	}
	return p.close()
}

// discard removes the file.
func (p *part) discard() error { return errors.Join(p.dir.Remove(p.name), p.close()) }

func (p *part) close() error { return errors.Join(p.sync.wait(), p.file.Close(), p.dir.Close()) }

// maxBase bounds the part of a part file's name that comes from the destination, in
// bytes: most systems limit names to 255.
const maxBase = 200

// partName returns the name of the part file of base. content is partly text of the
// server, so the name has only a digest of it.
func partName(base, content string) string { return partPrefix(base) + digest(content) + partSuffix }

const partSuffix = ".part"

func partPrefix(base string) string {
	if len(base) > maxBase {
		base = strings.ToValidUTF8(base[:maxBase-17], "") + "~" + digest(base)
	}
	return "." + base + "."
}

// isPartName reports whether partName gives name for base and some content.
func isPartName(name, base string) bool {
	middle, ok := strings.CutPrefix(name, partPrefix(base))
	if !ok {
		return false
	}
	content, ok := strings.CutSuffix(middle, partSuffix)
	_, err := hex.DecodeString(content)
	return ok && err == nil && len(content) == len(digest(""))
}

// digest returns a short name for s: 16 hexadecimal digits.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strings"
)

// part is the hidden file beside the destination that holds an incomplete download. It is
// locked while it is open, and has only verified bytes. It is synced after each segment,
// so that all but the last segment survive a power failure, and its length alone tells
// where to resume.
type part struct {
	dir  *os.Root
	file *os.File
	name string // in dir
	size int64  // how much it holds
}

var (
	errBusy = errors.New("another download to it is under way")
	// errReplaced means that another download removed the file, or renamed it to its
	// destination, between its opening and its locking.
	errReplaced = errors.New("removed while it was opened")
	errNotOurs  = errors.New("not a file that a download left")
)

// openPart opens the part file of a file named base in dir, of size bytes and the version
// content. It removes part files of other versions, and fails if one of them is in use.
// The part owns dir and closes it, also after an error.
func openPart(dir *os.Root, base, content string, size int64) (*part, error) {
	name := partName(base, content)
	p, err := open(dir, base, name, size)
	for errors.Is(err, errReplaced) {
		p, err = open(dir, base, name, size)
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	if err := removeOthers(dir, base, name); err != nil {
		return nil, errors.Join(err, p.keep())
	}
	return p, nil
}

// open opens or creates the part file of a file of the given size, and truncates it to
// the reliable part.
func open(dir *os.Root, base, name string, size int64) (_ *part, err error) {
	f, err := openLocked(dir, base, name, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	length, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	kept := max(length-maxSegment, 0)
	if length > size {
		kept = 0 // whatever it is, it is not the beginning of that file
	}
	p := &part{dir: dir, file: f, name: name}
	return p, p.truncate(kept)
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
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == keep || !isPartName(name, base) {
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

// append appends a verified segment.
func (p *part) append(s *segment) error {
	if _, err := s.WriteTo(io.NewOffsetWriter(p.file, p.size)); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	p.size += s.size
	return nil
}

func (p *part) truncate(size int64) error {
	p.size = size
	return p.file.Truncate(size)
}

// readBuffer is how much of a part file is read at once, in bytes: enough to keep a disk
// busy. Between two reads the context is checked.
const readBuffer = 1 << 20

// sum returns the CRC-32C of the first n bytes on the disk.
func (p *part) sum(ctx context.Context, n int64) (sum uint32, err error) {
	buf := make([]byte, min(n, readBuffer))
	for off := int64(0); off < n; off += int64(len(buf)) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		buf = buf[:min(n-off, readBuffer)]
		if _, err := p.file.ReadAt(buf, off); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, castagnoli, buf)
	}
	return sum, nil
}

// commit renames the file to its destination. It keeps the lock meanwhile, so that no
// other download takes it for its own part file.
func (p *part) commit(to destination) error {
	if err := to.put(p.dir, p.name); err != nil {
		return err
	}
	return p.close()
}

// keep leaves the complete segments for the next download, and removes the file if there
// are none.
func (p *part) keep() error {
	if p.size == 0 {
		return p.discard()
	}
	return errors.Join(p.truncate(p.size), p.close())
}

// discard removes the file.
func (p *part) discard() error { return errors.Join(p.dir.Remove(p.name), p.close()) }

func (p *part) close() error { return errors.Join(p.file.Close(), p.dir.Close()) }

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

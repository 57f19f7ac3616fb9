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

// part is the hidden file that a download grows in, beside its destination. It
// is locked while it is open, and holds verified bytes only. As it is synced
// after each segment, all but the last segment are on the disk even after a
// power cut, so that its length alone tells where to go on.
type part struct {
	dir  *os.Root
	file *os.File
	name string // in dir
	size int64  // how much it holds
}

var (
	errBusy = errors.New("another download to it is under way")
	// errReplaced says that another download removed the file, or put it in its
	// place, after it was opened and before it was locked.
	errReplaced = errors.New("removed while it was opened")
	errNotOurs  = errors.New("not a file that a download left")
)

// openPart opens the part file for what is to be called base in dir: size bytes, and
// content says which. Part files of other contents are removed. It fails if one
// of them is in use. The part file takes dir, and closes it, also if it fails.
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

// open opens or creates the part file of a file of the given size, and cuts off
// what it cannot rely on.
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

// openLocked opens a part file for base that nobody but a download of this user can
// have made: in a directory that others can write to, they could have put a link or
// bytes of their own there.
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
		// It was put in its place, and the process died before this name was removed.
		if err := dir.Remove(name); err != nil {
			return nil, err
		}
		return nil, errReplaced
	case !ours(opened):
		return nil, fmt.Errorf("%s: %w", name, errNotOurs)
	}
	return f, nil
}

// isFile reports whether a file that was opened is also the one called name in dir.
func isFile(dir *os.Root, name string, opened fs.FileInfo) bool {
	there, err := dir.Lstat(name)
	return err == nil && os.SameFile(opened, there)
}

// removeOthers removes the part files for base in dir but the one called keep.
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

// readBuffer is how much of a part file is read at once, in bytes: as little as keeps a
// disk busy, and between two reads it is seen whether anybody still waits.
const readBuffer = 1 << 20

// sum returns the CRC-32C of the first n bytes, as they lie on the disk.
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

// commit puts the file in its place. The lock is held until it is there, so that
// no other download takes it for its own part file.
func (p *part) commit(to destination) error {
	if err := to.put(p.dir, p.name); err != nil {
		return err
	}
	return p.close()
}

// keep leaves what was written whole for the next time. It removes the file if
// that is nothing.
func (p *part) keep() error {
	if p.size == 0 {
		return p.discard()
	}
	return errors.Join(p.truncate(p.size), p.close())
}

// discard removes the file.
func (p *part) discard() error { return errors.Join(p.dir.Remove(p.name), p.close()) }

func (p *part) close() error { return errors.Join(p.file.Close(), p.dir.Close()) }

// maxBase bounds the share that the destination has in its part file's name, in
// bytes: a name has 255 on most systems.
const maxBase = 200

// partName is where a file that is to be called base grows. Content is in part a
// server's text, so it does not stand there as it is.
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

// digest is a short name for s: 16 hexadecimal digits.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

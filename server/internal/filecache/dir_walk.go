package filecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	// scanBatch is the number of directory entries read at a time.
	scanBatch = 1024
	// statBatch is the number of entries stated between two signs of progress. A slow disk
	// may take 0.1 s for one, and counts as hanging after hungAfter.
	statBatch = 32
	// minKeep is the minimum number of entries that a scan keeps, so that a directory with
	// many empty subdirectories is not scanned again for every few of them.
	minKeep = 256
)

// Walk returns up to limit regular files whose names begin with prefix and come after the
// given name, and whether there are more. Names are ordered part by part: "a/b" comes before "a.txt",
// although '.' comes before '/'. Walk skips files and directories that accept rejects,
// hidden files, symbolic links and directories that cannot be read, and reads no directory
// that cannot contain the prefix. Its memory use depends
// on limit and the depth of the tree, not on the number of files.
//
// The error is ErrDisk, ErrDirectory, ctx's, or one of the file system.
func (c *Cache) Walk(ctx context.Context, prefix, after string, limit int, accept func(name string) bool) (found []Info, more bool, err error) {
	err = c.inDirectory(ctx, func(dir *generation) error {
		w := &walk{cache: c, dir: dir, prefix: prefix, limit: limit, accept: accept}
		err := w.below(ctx, ".", after)
		if errors.Is(err, errEnough) {
			err, more = nil, true
			w.found = w.found[:limit]
		}
		found = w.found
		return err
	})
	return found, more, err
}

// errEnough ends a walk that has found more than limit files.
var errEnough = errors.New("enough files")

// walk is the state of one call of Walk.
type walk struct {
	cache  *Cache
	dir    *generation
	prefix string
	limit  int
	accept func(string) bool
	found  []Info // one more than limit if there are more
}

// below adds the files below a directory that come after the given name, which is relative
// to that directory.
func (w *walk) below(ctx context.Context, name, after string) error {
	// The subdirectory that contains after comes before it, and must be walked.
	after, inside, within := strings.Cut(after, "/")
	for {
		keep := max(w.limit-len(w.found)+1, minKeep)
		op, err := do(ctx, w.cache.pool, lane{kind: scanKind}, &scanOp{
			dir: w.dir, name: name, prefix: w.prefix, after: after, including: within, keep: keep,
			accept: w.accept, names: w.cache.names, hidden: w.cache.hidden,
		})
		if err != nil {
			return err
		}
		if op.err != nil {
			return op.err
		}
		for _, e := range op.entries {
			inner := path.Join(name, e.name)
			first := within && e.name == after // contains the given name
			switch {
			case e.isDir && first:
				if err := w.below(ctx, inner, inside); err != nil {
					return err
				}
			case e.isDir:
				if err := w.below(ctx, inner, ""); err != nil {
					return err
				}
			case e.file != nil && !first:
				w.found = append(w.found, describe(inner, e.file))
				if len(w.found) > w.limit {
					return errEnough
				}
			}
		}
		if len(op.entries) < keep {
			return nil
		}
		after, within = op.entries[keep-1].name, false
	}
}

// scanOp reads a directory and keeps the first entries after a name.
type scanOp struct {
	dir       *generation
	name      string
	prefix    string
	after     string
	including bool // include after itself
	keep      int
	accept    func(string) bool
	names     Selection
	hidden    func(fs.FileInfo) bool

	entries []entry // sorted
	err     error
}

// entry is a directory or a file.
type entry struct {
	name  string
	isDir bool
	file  fs.FileInfo // nil: not a file to list
}

func (o *scanOp) run(j *job) {
	o.err = o.scan(j)
	switch {
	case o.err == nil:
	case o.name != ".":
		// Removed since it was found, or not readable: it has no files to list.
		o.entries, o.err = nil, nil
	case o.dir.isUnlinked():
		o.err = errReplaced
	default:
		o.err = fmt.Errorf("read directory: %w", o.err)
	}
}

func (o *scanOp) scan(j *job) error {
	root := o.dir.root
	if o.name != "." {
		inner, err := root.OpenRoot(o.name)
		if err != nil {
			return err
		}
		defer inner.Close()
		root = inner
	}
	disk, err := root.Open(".")
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := o.read(j, disk); err != nil {
		return err
	}
	for i := range o.entries {
		if i%statBatch == 0 && !j.progress() {
			return context.Canceled
		}
		e := &o.entries[i]
		if e.isDir {
			continue
		}
		fi, err := root.Lstat(e.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case fi.Mode().IsRegular() && (o.hidden == nil || !o.hidden(fi)):
			e.file = fi
		}
	}
	return nil
}

// read reads the names of the entries.
func (o *scanOp) read(j *job, disk *os.File) error {
	trim := func() {
		slices.SortFunc(o.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
		o.entries = o.entries[:min(o.keep, len(o.entries))]
	}
	for j.progress() {
		batch, err := disk.ReadDir(scanBatch)
		for _, e := range batch {
			after := strings.Compare(e.Name(), o.after)
			if (after > 0 || after == 0 && o.including) && (e.IsDir() || e.Type().IsRegular()) && o.wants(path.Join(o.name, e.Name()), e.IsDir()) {
				o.entries = append(o.entries, entry{name: e.Name(), isDir: e.IsDir()})
			}
		}
		if len(o.entries) > 2*o.keep+scanBatch || err != nil {
			trim()
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return context.Canceled
}

// wants reports whether an entry is to be listed or, if it is a directory, to be walked.
func (o *scanOp) wants(name string, isDir bool) bool {
	inside := strings.HasPrefix(name, o.prefix)
	if isDir {
		// A prefix may end within the name of the directory, or below it.
		inside = strings.HasPrefix(name+"/", o.prefix) || strings.HasPrefix(o.prefix, name+"/")
	}
	if !inside || !o.accept(name) {
		return false
	}
	if isDir {
		// Its files may be allowed, but not if it is a dotfile itself.
		return o.names.Dotfiles || !strings.HasPrefix(path.Base(name), ".")
	}
	return o.names.Includes(name)
}

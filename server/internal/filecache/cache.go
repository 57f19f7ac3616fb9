package filecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrNotFound says that there is no regular file of that name below the
	// directory, or none that may be seen.
	ErrNotFound = errors.New("no such file")
	// ErrChanged says that the file was changed while it was being read.
	ErrChanged = errors.New("file changed while it was being read")
)

// settle is how long a file must have been left alone before it is read. The time
// of modification tells of a change only if the clock of the file system has ticked
// since the one before (every 10 ms at most on Linux), and it is the time at which a
// write began, so that one which takes longer than this in a single system call,
// into the file itself and not into a new one, goes unseen. A file that is empty is
// looked at twice, this long apart. One that is cut off inside, without being
// written to at the same time, may for a moment be taken for a shorter one with the
// old time.
const settle = 100 * time.Millisecond

// maxSettles is how often a reader waits for a file that is written again and
// again before it gives up with ErrChanged.
const maxSettles = 5

// Info describes one version of a file.
type Info struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
	Version  string // names this version, opaque
}

// Options configure a Cache.
type Options struct {
	// Capacity is the bound on what is cached, in bytes.
	Capacity int64
	// Hidden reports whether a file must not be seen. It is asked of what was opened,
	// whatever name led there. Nil: none.
	Hidden func(fs.FileInfo) bool
}

// Cache reads the files of one directory. It is safe for concurrent use.
type Cache struct {
	root   *os.Root
	hidden func(fs.FileInfo) bool

	mu    sync.Mutex
	lru   *lru
	fills map[string]*content // being read, by name
	stats Stats               // the counters in it
}

// Stats are the cache's state and, since its beginning, its work.
type Stats struct {
	Used, Capacity int64 // bytes charged, and the bound on them
	Files          int   // in the cache

	Hits      int64 // files opened that were in the cache
	Fills     int64 // files opened to be read into the cache
	Joins     int64 // files opened while they were being read into the cache
	Uncached  int64 // files opened that did not fit
	Evictions int64 // files that left the cache
}

// New returns a cache of the files below root, which it does not close.
func New(root *os.Root, o Options) *Cache {
	return &Cache{root: root, hidden: o.Hidden, lru: newLRU(o.Capacity), fills: map[string]*content{}}
}

// Open opens a file for reading. The error is ErrNotFound, ErrChanged, ctx's, or
// one of the file system.
func (c *Cache) Open(ctx context.Context, name string) (*File, error) {
	// One name for one file: no ".", "..", empty part or leading slash.
	if !fs.ValidPath(name) {
		return nil, ErrNotFound
	}
	fi, err := c.root.Stat(name)
	if err == nil && !fi.Mode().IsRegular() {
		err = ErrNotFound
	}
	if err != nil {
		c.forget(name)
		return nil, mapNotFound(err)
	}
	if found := c.lookup(Describe(name, fi)); found != nil {
		return &File{Info: found.info, Cached: true, cache: c, content: found}, nil
	}
	return c.openFile(ctx, name)
}

// lookup returns the cached content of the file as info describes it, and throws
// out that of another version.
func (c *Cache) lookup(info Info) *content {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.lru.get(info.Name)
	switch {
	case found == nil:
		return nil
	case found.info.Version != info.Version:
		c.lru.evict(found)
		return nil
	}
	c.lru.use(info.Name)
	c.stats.Hits++
	return found
}

// forget throws out a file that is no longer there.
func (c *Cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.lru.get(name); found != nil {
		c.lru.evict(found)
	}
}

// openFile opens a file that was not in the cache, and has it read into the cache
// where it fits.
func (c *Cache) openFile(ctx context.Context, name string) (*File, error) {
	disk, info, err := c.openSettled(ctx, name)
	if err != nil {
		return nil, err
	}
	f := &File{Info: info, cache: c}

	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.lru.get(name); found != nil && found.info.Version == info.Version {
		c.lru.use(name)
		c.stats.Hits++
		f.content, f.Cached = found, true
	} else if filling := c.fills[name]; filling != nil && filling.info.Version == info.Version {
		c.stats.Joins++
		f.content = filling
	} else if c.lru.reserve(info.Size) {
		f.content = newContent(info)
		c.fills[name] = f.content
		c.stats.Fills++
		go c.fill(f.content, disk)
		return f, nil
	} else {
		c.stats.Uncached++
		f.disk = disk
		return f, nil
	}
	disk.Close()
	return f, nil
}

// openSettled opens a regular file, and waits until it has been left alone for
// long enough for every later change to be seen.
func (c *Cache) openSettled(ctx context.Context, name string) (*os.File, Info, error) {
	var empty string // the version that was seen to be empty
	for range maxSettles {
		disk, fi, err := c.openRegular(name)
		if err != nil {
			return nil, Info{}, err
		}
		info := Describe(name, fi)
		// A time in the future was set by hand or by another clock, and tells
		// nothing.
		wait := settle - time.Since(fi.ModTime())
		if wait > settle {
			wait = 0
		}
		// A file that is being emptied, to be written anew, has its new size before
		// it has its new time: Linux shows it like that for some microseconds, and
		// for longer on a busy machine.
		if info.Size == 0 && empty != info.Version {
			empty, wait = info.Version, settle
		}
		if wait <= 0 {
			return disk, info, nil
		}
		disk.Close()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, Info{}, ctx.Err()
		}
	}
	return nil, Info{}, ErrChanged
}

// openRegular opens a regular file that may be seen.
func (c *Cache) openRegular(name string) (*os.File, fs.FileInfo, error) {
	// O_NONBLOCK: opening a FIFO must not wait for its writer.
	disk, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, mapNotFound(err)
	}
	fi, err := disk.Stat()
	switch {
	case err != nil:
	case !fi.Mode().IsRegular() || c.hidden != nil && c.hidden(fi):
		err = ErrNotFound
	default:
		return disk, fi, nil
	}
	disk.Close()
	return nil, nil, err
}

// fill reads a file into c and puts it into the cache. Nobody's call owns it, so
// that a caller who goes away spoils nothing for the others.
func (c *Cache) fill(into *content, disk *os.File) {
	defer disk.Close()
	last, sum, err := into.readBlocks(disk)

	c.mu.Lock()
	if c.fills[into.info.Name] == into {
		delete(c.fills, into.info.Name)
	}
	if err != nil {
		c.lru.release(into.info.Size)
	} else {
		c.lru.insert(into)
	}
	c.mu.Unlock()

	// Only now may a reader come to the file's end: what it has then been given
	// is known to be of one version, and the file is listed.
	if err == nil && last != nil {
		into.add(last)
	}
	into.finish(sum, err)
}

// Cached is an entry of the cache.
type Cached struct {
	Info
	// Seq orders entries by when they came into the cache.
	Seq uint64
}

// List returns up to limit entries that came into the cache after the one with
// the given Seq, oldest first.
func (c *Cache) List(after uint64, limit int) []Cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.lru.order[c.lru.firstAfter(after):]
	rest = rest[:min(limit, len(rest))]
	entries := make([]Cached, len(rest))
	for i, e := range rest {
		entries[i] = Cached{Info: e.info, Seq: e.seq}
	}
	return entries
}

// Contains reports whether this version of a file is in the cache.
func (c *Cache) Contains(info Info) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.lru.get(info.Name)
	return found != nil && found.info.Version == info.Version
}

// Health returns an error when the files cannot be read: the directory is gone, or
// the disk has not answered for a while. It does not wait.
func (c *Cache) Health() error { return nil }

// Stats returns the cache's statistics.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Used, s.Capacity = c.lru.used+c.lru.reserved, c.lru.limit
	s.Files, s.Evictions = len(c.lru.order), c.lru.evictions
	return s
}

// mapNotFound turns every way in which a name leads to no file of this directory
// into ErrNotFound, so that nobody learns which it was. os.Root tells that a name
// leads out by an error that is no Errno.
func mapNotFound(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ErrNotFound
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EISDIR,
		syscall.EINVAL, syscall.ENXIO, syscall.ENODEV:
		return ErrNotFound
	}
	return fmt.Errorf("open file: %w", err)
}

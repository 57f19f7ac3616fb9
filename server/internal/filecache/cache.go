package filecache

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"
)

var (
	// ErrNotFound says that there is no regular file of that name below the
	// directory, or none that may be seen.
	ErrNotFound = errors.New("no such file")
	// ErrChanged says that the file was changed while it was being read.
	ErrChanged = errors.New("file changed while it was being read")
)

// Options configure a Cache.
type Options struct {
	// Capacity is the bound on what is cached, in bytes.
	Capacity int64
	// Hidden reports whether a file must not be seen. It is asked of what was opened,
	// whatever name led there, and again whenever that is found in the cache, so it
	// must be quick. Nil: none.
	Hidden func(fs.FileInfo) bool
	// MaxOpen is the most descriptors that the cache has open at once, files and
	// directories. 0: DefaultMaxOpen.
	MaxOpen int
}

// DefaultMaxOpen leaves three quarters of the 1,024 descriptors that a process may
// commonly have to its connections.
const DefaultMaxOpen = 256

// opDescriptors is the most descriptors that one operation has open at once, those
// of the directories on the way to a file included; a scan may have one more, and
// there are few of them.
const opDescriptors = 2

// maxReads is the most operations that read from one file at once, and maxScans the
// most that read directories: one that hangs, or is huge, must leave room for others.
const (
	maxReads = 8
	maxScans = 4
)

// closePatience is how long Close waits for files to be closed.
const closePatience = time.Second

// Cache reads the files of one directory. It is safe for concurrent use.
type Cache struct {
	dir     *directory
	gate    *gate
	handles *handles
	hidden  func(fs.FileInfo) bool
	closing chan struct{}
	watcher sync.WaitGroup

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

	Busy    int   // operations of the file system under way
	Open    int   // files open, in use or idle
	Refused int64 // callers sent away because the disk did not answer
}

// Open returns a cache of the files below a directory. It follows the path: if
// another directory takes that place, its files are served. The cache must be closed.
func Open(path string, o Options) (*Cache, error) {
	dir, err := newDirectory(path)
	if err != nil {
		return nil, err
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = DefaultMaxOpen
	}
	// Half of the descriptors are for operations, the other half for idle files.
	places := min(maxPlaces, max(1, o.MaxOpen/2/opDescriptors))
	c := &Cache{
		dir:     dir,
		gate:    newGate(places),
		handles: newHandles(o.MaxOpen-places*opDescriptors, o.Hidden),
		hidden:  o.Hidden,
		closing: make(chan struct{}),
		lru:     newLRU(o.Capacity),
		fills:   map[string]*content{},
	}
	dir.replaced = c.forgetAll
	c.gate.limit = c.limit
	c.watcher.Go(c.watch)
	_, err = do(context.Background(), c.gate, lane{kind: lookKind}, &lookOp{dir})
	if err == nil {
		err = dir.health()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// limit returns how many operations may be under way at once in a lane. A file is
// opened by one of them before others may join it.
func (c *Cache) limit(in lane) int {
	switch {
	case in.kind == readKind && c.handles.isOpen(in.name):
		return maxReads
	case in.kind == scanKind:
		return maxScans
	}
	return 1
}

// watch looks after what depends on the time.
func (c *Cache) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.closing:
			return
		}
		c.gate.sweep()
		c.gate.detach(lane{kind: lookKind}, &lookOp{c.dir})
		if then := time.Now().Add(-handleIdle); c.handles.haveIdle(then) {
			c.gate.detach(lane{kind: closeKind}, &closeOp{c.handles, then})
		}
	}
}

// closeOp closes files that have been idle since before then.
type closeOp struct {
	files *handles
	then  time.Time
}

func (o *closeOp) run(*job) { o.files.closeIdle(o.files.idlest, o.then) }

// Close ends what the cache has under way. It does not wait for a disk that hangs.
// Files that are still open can no longer be read past the cache.
func (c *Cache) Close() {
	close(c.closing)
	c.watcher.Wait()
	c.gate.close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.handles.close()
		c.dir.close()
	}()
	select {
	case <-closed:
	case <-time.After(closePatience):
	}
}

// lookup returns the cached content of a file that is as stamp says, and throws out
// that of another version.
func (c *Cache) lookup(name string, now stamp) *content {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.lru.get(name)
	switch {
	case found == nil:
		return nil
	case found.info.stamp != now:
		c.lru.evict(found)
		return nil
	}
	c.lru.use(name)
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
func (c *Cache) openFile(dir *generation, info Info) *File {
	dir.retain()
	f := &File{Info: info, cache: c, dir: dir}

	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.lru.get(info.Name); found != nil && found.info.stamp == info.stamp {
		c.lru.use(info.Name)
		c.stats.Hits++
		f.content, f.Cached = found, true
	} else if filling := c.fills[info.Name]; filling != nil && filling.info.stamp == info.stamp {
		c.stats.Joins++
		f.content = filling
	} else if c.lru.reserve(info.Size) {
		dir.retain()
		f.content = newContent(info, dir)
		c.fills[info.Name] = f.content
		c.stats.Fills++
		go c.fill(f.content)
	} else {
		c.stats.Uncached++
	}
	return f
}

// fill reads a file into c and puts it into the cache. Nobody's call owns it, so
// that a caller who goes away spoils nothing for the others.
func (c *Cache) fill(into *content) {
	defer into.dir.release()
	last, sum, err := into.readBlocks(c)

	c.mu.Lock()
	if c.fills[into.info.Name] == into {
		delete(c.fills, into.info.Name)
	}
	if err == nil && into.dir == c.dir.current.Load() {
		c.lru.insert(into)
	} else {
		// Its readers may stay for long, and nothing accounts for its blocks any more.
		into.drop()
		c.lru.release(into.info.Size)
	}
	c.mu.Unlock()

	// Only now may a reader come to the file's end: what it has then been given
	// is known to be of one version, and the file is listed.
	if err == nil && last != nil {
		into.add(last)
	}
	into.finish(sum, err)
}

// forgetAll throws out the files of a directory that has been replaced.
func (c *Cache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.clear()
}

// Cached is an entry of the cache.
type Cached struct {
	Info
	// Seq orders entries by when they came into the cache.
	Seq uint64
}

// List returns up to limit entries that came into the cache after the one with
// the given Seq, oldest first. The error is ErrDirectory.
func (c *Cache) List(after uint64, limit int) ([]Cached, error) {
	if err := c.dir.health(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.lru.order[c.lru.firstAfter(after):]
	rest = rest[:min(limit, len(rest))]
	entries := make([]Cached, len(rest))
	for i, e := range rest {
		entries[i] = Cached{Info: e.info, Seq: e.seq}
	}
	return entries, nil
}

// Contains reports whether this version of a file is in the cache.
func (c *Cache) Contains(info Info) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.lru.get(info.Name)
	return found != nil && found.info.stamp == info.stamp
}

// Health returns an error when the files cannot be read: the directory is gone, or
// the disk has not answered for a while. It does not wait.
func (c *Cache) Health() error { return errors.Join(c.dir.health(), c.gate.health()) }

// Stats returns the cache's statistics.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Used, s.Capacity = c.lru.used+c.lru.reserved, c.lru.limit
	s.Files, s.Evictions = len(c.lru.order), c.lru.evictions
	s.Busy, s.Refused = c.gate.stats()
	s.Open = c.handles.count()
	return s
}

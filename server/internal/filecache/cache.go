package filecache

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"
)

var (
	// ErrNotFound means that the directory has no visible regular file of that name.
	ErrNotFound = errors.New("no such file")
	// ErrChanged means that the file changed while it was being read.
	ErrChanged = errors.New("file changed while it was being read")
)

// Options configure a Cache.
type Options struct {
	// Capacity is the maximum size of the cache in bytes.
	Capacity int64
	// Hidden reports whether a file must not be served. It is called with the file that a
	// name leads to, at every Open, so it must be fast. Nil: no file is hidden.
	Hidden func(fs.FileInfo) bool
	// Selection says which names are served. It must be valid.
	Selection Selection
	// MaxOpen is the maximum number of open descriptors, of files and directories.
	// 0: DefaultMaxOpen.
	MaxOpen int
}

// DefaultMaxOpen is a quarter of the 1,024 descriptors that a process commonly may have.
// The rest is for its connections.
const DefaultMaxOpen = 256

// opDescriptors is the maximum number of descriptors that one operation has open at a
// time, including directories on the path. Scans may have one more, but they are few.
const opDescriptors = 2

// maxReads and maxScans bound the concurrent reads of one file and the concurrent scans of
// directories, so that a file or directory that hangs or is huge leaves workers for others.
const (
	maxReads = 8
	maxScans = 4
)

// closeTimeout is how long Close waits for files to be closed.
const closeTimeout = time.Second

// Cache reads the files of one directory. It is safe for concurrent use.
type Cache struct {
	dir     *directory
	pool    *pool
	handles *handles
	hidden  func(fs.FileInfo) bool
	names   Selection
	closing chan struct{}
	watcher sync.WaitGroup

	mu    sync.Mutex
	lru   *lru
	fills map[string]*content // in progress, by name
	stats Stats               // only the counters
}

// Open returns a cache of the files below the directory at path. It follows the path: if
// the path later refers to another directory, that one is served. The caller must close
// the cache.
func Open(path string, o Options) (*Cache, error) {
	dir, err := newDirectory(path)
	if err != nil {
		return nil, err
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = DefaultMaxOpen
	}
	// Half of the descriptors are for operations, the other half for idle files.
	workers := min(maxWorkers, max(1, o.MaxOpen/2/opDescriptors))
	c := &Cache{
		dir:     dir,
		pool:    newPool(workers),
		handles: newHandles(o.MaxOpen-workers*opDescriptors, o.Hidden),
		hidden:  o.Hidden,
		names:   o.Selection,
		closing: make(chan struct{}),
		lru:     newLRU(o.Capacity),
		fills:   map[string]*content{},
	}
	dir.onReplace = c.clear
	c.pool.limit = c.laneLimit
	c.watcher.Go(c.watch)
	_, err = do(context.Background(), c.pool, lane{kind: refreshKind}, &refreshOp{dir})
	if err == nil {
		err = dir.health()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// laneLimit returns the maximum number of concurrent operations in a lane. A file must be
// open before several operations may read it.
func (c *Cache) laneLimit(in lane) int {
	switch {
	case in.kind == readKind && c.handles.isOpen(in.name):
		return maxReads
	case in.kind == scanKind:
		return maxScans
	}
	return 1
}

// watch enforces timeouts, follows the path and closes idle files.
func (c *Cache) watch() {
	tick := time.NewTicker(refreshInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.closing:
			return
		}
		c.pool.expire()
		c.pool.detach(lane{kind: refreshKind}, &refreshOp{c.dir})
		if then := time.Now().Add(-handleIdleTime); c.handles.hasIdleSince(then) {
			c.pool.detach(lane{kind: closeKind}, &closeOp{c.handles, then})
		}
	}
}

// closeOp closes files that have been idle since before a time.
type closeOp struct {
	handles *handles
	then    time.Time
}

func (o *closeOp) run(*job) { o.handles.closeIdle(o.handles.maxIdle, o.then) }

// Close ends all calls. It does not wait for a disk that hangs. A File that is still open
// can then be read only where it is cached.
func (c *Cache) Close() {
	close(c.closing)
	c.watcher.Wait()
	c.pool.close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.handles.close()
		c.dir.close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
}

// lookup returns the cached content of a file with that stamp. It evicts another version.
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

// remove evicts a file that no longer exists or is hidden.
func (c *Cache) remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.lru.get(name); found != nil {
		c.lru.evict(found)
	}
}

// clear evicts the files of a directory that was replaced.
func (c *Cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.clear()
}

// Cached is an entry of the cache.
type Cached struct {
	Info
	// Seq orders the entries by insertion.
	Seq uint64
}

// List returns up to limit entries whose names begin with prefix and that were inserted
// after the entry with sequence number after, oldest first. The error is ErrDirectory.
func (c *Cache) List(prefix string, after uint64, limit int) ([]Cached, error) {
	if err := c.dir.health(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var entries []Cached
	for _, e := range c.lru.order[c.lru.firstAfter(after):] {
		if len(entries) == limit {
			break
		}
		if strings.HasPrefix(e.info.Name, prefix) {
			entries = append(entries, Cached{Info: e.info, Seq: e.seq})
		}
	}
	return entries, nil
}

// Contains reports whether this version of a file is cached.
func (c *Cache) Contains(info Info) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.lru.get(info.Name)
	return found != nil && found.info.stamp == info.stamp
}

// Health returns an error if files cannot be read: the directory does not exist, or the
// disk hangs. It does not block.
func (c *Cache) Health() error { return errors.Join(c.dir.health(), c.pool.health()) }

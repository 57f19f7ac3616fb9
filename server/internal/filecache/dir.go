package filecache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrDirectory means that the directory does not exist at the moment.
var ErrDirectory = errors.New("the directory is unavailable")

// refreshInterval is how often the path is checked: the maximum delay before the cache
// notices that the directory was removed, replaced or created.
const refreshInterval = time.Second

// directory is the directory that a path refers to. If the path later refers to another
// one, because of a rename or a changed symbolic link, it is that one from then on.
type directory struct {
	path      string // absolute
	onReplace func() // called when another directory was found

	current     atomic.Pointer[generation]
	unavailable atomic.Pointer[error] // nil: available

	mu     sync.Mutex // held while current changes or is released
	closed bool
}

// generation is a directory that the path refers to for a time. It is closed when another
// one has replaced it and the last reader of its files has released it.
type generation struct {
	root  *os.Root
	fast  fastStat
	self  fs.FileInfo // when it was opened
	users atomic.Int64
}

// newDirectory returns a directory that has to be refreshed before use.
func newDirectory(path string) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return &directory{path: path}, nil
}

func openGeneration(path string) (*generation, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	g := &generation{root: root, fast: newFastStat(root), self: self}
	g.users.Store(1)
	return g, nil
}

// acquire returns the current directory, which must be released. The error is
// ErrDirectory or errClosed.
func (d *directory) acquire() (*generation, error) {
	for {
		if err := d.health(); err != nil {
			return nil, err
		}
		g := d.current.Load()
		n := g.users.Load()
		if n > 0 && g.users.CompareAndSwap(n, n+1) {
			return g, nil
		}
		if n == 0 && d.current.Load() == g { // closed, not replaced
			return nil, errClosed
		}
	}
}

// retain adds a user to a generation that has one.
func (g *generation) retain() { g.users.Add(1) }

// release removes a user. It never blocks: closing a directory does not access the disk.
func (g *generation) release() {
	if g.users.Add(-1) == 0 {
		g.fast.close()
		g.root.Close()
	}
}

// isUnlinked reports whether the directory was removed.
func (g *generation) isUnlinked() bool {
	self, err := g.root.Stat(".")
	return err != nil || isUnlinked(self)
}

// health returns ErrDirectory while there is no directory at the path.
func (d *directory) health() error {
	if err := d.unavailable.Load(); err != nil {
		return *err
	}
	return nil
}

// refresh checks which directory the path refers to. It must not be called concurrently.
func (d *directory) refresh() {
	fi, err := os.Stat(d.path)
	if err == nil && !fi.IsDir() {
		err = &os.PathError{Op: "open", Path: d.path, Err: syscall.ENOTDIR}
	}
	old := d.current.Load()
	// While a directory is open, its inode is not reused: the same inode is the same
	// directory.
	if err == nil && (old == nil || !os.SameFile(fi, old.self) || old.isUnlinked()) {
		var now *generation
		if now, err = openGeneration(d.path); err == nil {
			d.replace(now)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDirectory, err)
		d.unavailable.Store(&err)
		return
	}
	d.unavailable.Store(nil)
}

// replace makes now the current directory. After close it releases now.
func (d *directory) replace(now *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		now.release()
		return
	}
	if old := d.current.Swap(now); old != nil {
		d.onReplace()
		old.release()
	}
}

// close releases the current directory.
func (d *directory) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if dir := d.current.Load(); dir != nil {
		dir.release()
	}
}

// refreshOp is refresh as an operation of the pool.
type refreshOp struct{ dir *directory }

func (o *refreshOp) run(*job) { o.dir.refresh() }

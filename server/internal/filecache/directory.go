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

// ErrDirectory says that the directory is gone. It may come back.
var ErrDirectory = errors.New("the directory is away")

// watchEvery is how often the directory is looked for, and how late its being away
// and its return may be noticed.
const watchEvery = time.Second

// directory follows what a path leads to. If another directory takes the place of the
// one that was opened, by a rename or by another target of a symbolic link, it is the
// other one from then on.
type directory struct {
	path     string // absolute
	replaced func() // called when it was

	current atomic.Pointer[generation]
	gone    atomic.Pointer[error] // why there is no directory; nil: there is one

	mu     sync.Mutex // held while current is replaced or given up
	closed bool
}

// generation is a directory that was open under the path for a time. It is closed
// when it is no longer the current one, and the last who reads its files is done.
type generation struct {
	root   *os.Root
	glance glance
	self   fs.FileInfo // as it was when it was opened
	users  atomic.Int64
}

// newDirectory returns one that nobody has looked for yet.
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
	g := &generation{root: root, glance: newGlance(root), self: self}
	g.users.Store(1)
	return g, nil
}

// acquire returns the directory as it is now, which must be released. The error is
// ErrDirectory.
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
		if n == 0 && d.current.Load() == g { // not replaced, but given up
			return nil, errClosed
		}
	}
}

// retain adds a use to one that there is.
func (g *generation) retain() { g.users.Add(1) }

// release ends a use. Closing a directory that was only read tells no disk anything.
func (g *generation) release() {
	if g.users.Add(-1) == 0 {
		g.glance.close()
		g.root.Close()
	}
}

// isUnlinked reports whether the directory has been removed.
func (g *generation) isUnlinked() bool {
	self, err := g.root.Stat(".")
	return err != nil || isUnlinked(self)
}

// health returns ErrDirectory while the directory is away.
func (d *directory) health() error {
	if err := d.gone.Load(); err != nil {
		return *err
	}
	return nil
}

// look finds out what the path leads to now. It must not be called twice at once.
func (d *directory) look() {
	fi, err := os.Stat(d.path)
	if err == nil && !fi.IsDir() {
		err = &os.PathError{Op: "open", Path: d.path, Err: syscall.ENOTDIR}
	}
	old := d.current.Load()
	// The open directory keeps its inode from being used again, so that the same
	// one is the same directory.
	if err == nil && (old == nil || !os.SameFile(fi, old.self) || old.isUnlinked()) {
		var now *generation
		if now, err = openGeneration(d.path); err == nil {
			d.replace(now)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDirectory, err)
		d.gone.Store(&err)
		return
	}
	d.gone.Store(nil)
}

// replace makes now the current directory, or releases it if the cache was closed.
func (d *directory) replace(now *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		now.release()
		return
	}
	if old := d.current.Swap(now); old != nil {
		d.replaced()
		old.release()
	}
}

// close gives up the current directory, and any that a later look finds.
func (d *directory) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if dir := d.current.Load(); dir != nil {
		dir.release()
	}
}

// lookOp is looking as an operation of the gate.
type lookOp struct{ dir *directory }

func (o *lookOp) run(*job) { o.dir.look() }

package filecache

import (
	"container/list"
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// handleIdleTime is how long an unused file stays open: longer than a reader on a slow
// connection takes for a chunk.
const handleIdleTime = 3 * time.Second

// handles are the open files, one for each name, shared by all readers. A file is in use
// only while an operation reads from it, not while its readers send. So any number of
// readers need few descriptors: one for each worker of the pool, and some idle files that
// save opening them again.
type handles struct {
	hidden  func(fs.FileInfo) bool
	maxIdle int

	mu     sync.Mutex
	byName map[string]*handle
	idle   list.List // of *handle, most recently used first
	open   int       // idle and in use
	closed bool
}

// handle is an open file of one version.
type handle struct {
	name  string
	dir   *generation
	stamp stamp
	disk  *os.File

	// Guarded by handles.mu.
	users     int
	idleSince time.Time
	inIdle    *list.Element // the element of handles.idle; valid if users is 0
}

func newHandles(maxIdle int, hidden func(fs.FileInfo) bool) *handles {
	return &handles{maxIdle: maxIdle, hidden: hidden, byName: map[string]*handle{}}
}

// isOpen reports whether a file of that name is open.
func (h *handles) isOpen(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byName[name] != nil
}

// acquire returns an open file of that version, which must be released. The error is
// ErrChanged if the name refers to another version, or one of the file system.
func (h *handles) acquire(dir *generation, info Info) (*handle, error) {
	h.mu.Lock()
	if f := h.byName[info.Name]; f != nil && f.dir == dir && f.stamp == info.stamp {
		if f.users == 0 {
			h.idle.Remove(f.inIdle)
		}
		f.users++
		h.mu.Unlock()
		return f, nil
	}
	h.mu.Unlock()
	f, _, err := h.openFile(dir, info.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrChanged
	} else if err != nil {
		return nil, err
	}
	if f.stamp != info.stamp {
		h.release(f)
		return nil, ErrChanged
	}
	return f, nil
}

// openFile opens a visible regular file. The handle must be released.
func (h *handles) openFile(dir *generation, name string) (*handle, fs.FileInfo, error) {
	h.closeIdle(h.maxIdle-1, time.Time{})
	// A hidden file must not even be opened: closing it would release all record locks
	// that this process has on it, for example those of the register's database.
	fi, err := dir.root.Stat(name)
	if err != nil {
		return nil, nil, mapNotFound(err)
	}
	if !h.isVisible(fi) {
		return nil, nil, ErrNotFound
	}
	// The name may refer to another file by now. O_NONBLOCK: opening a FIFO must not wait
	// for its writer.
	disk, err := dir.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, mapNotFound(err)
	}
	fi, err = disk.Stat()
	if err == nil && !h.isVisible(fi) {
		err = ErrNotFound
	}
	if err != nil {
		disk.Close()
		return nil, nil, err
	}
	f := &handle{name: name, dir: dir, stamp: stampOf(fi), disk: disk, users: 1}
	h.mu.Lock()
	h.open++
	old := h.byName[name]
	h.byName[name] = f
	var unused *handle
	if old != nil && old.users == 0 {
		h.idle.Remove(old.inIdle)
		h.open--
		unused = old
	}
	h.mu.Unlock()
	if unused != nil {
		unused.disk.Close()
	}
	return f, fi, nil
}

// isVisible reports whether a file is regular and not hidden.
func (h *handles) isVisible(fi fs.FileInfo) bool {
	return fi.Mode().IsRegular() && (h.hidden == nil || !h.hidden(fi))
}

// release ends a use of f. The file stays open for a while.
func (h *handles) release(f *handle) {
	h.mu.Lock()
	f.users--
	last := f.users == 0
	keep := h.byName[f.name] == f && !h.closed
	if last && keep {
		f.idleSince = time.Now()
		f.inIdle = h.idle.PushFront(f)
	} else if last {
		h.remove(f)
	}
	h.mu.Unlock()
	if last && !keep {
		f.disk.Close()
		return
	}
	h.closeIdle(h.maxIdle, time.Time{})
}

// remove removes f from the open files. The caller holds h.mu and closes f.disk.
func (h *handles) remove(f *handle) {
	h.open--
	if h.byName[f.name] == f {
		delete(h.byName, f.name)
	}
}

// closeIdle closes the least recently used idle files until at most n are left, and all
// that have been idle since before then.
func (h *handles) closeIdle(n int, then time.Time) {
	for {
		h.mu.Lock()
		oldest := h.longestIdle()
		if oldest == nil || h.idle.Len() <= max(n, 0) && !oldest.idleSince.Before(then) {
			h.mu.Unlock()
			return
		}
		h.idle.Remove(oldest.inIdle)
		h.remove(oldest)
		h.mu.Unlock()
		oldest.disk.Close()
	}
}

// longestIdle returns the file that has been idle for longest, or nil. The caller holds
// h.mu.
func (h *handles) longestIdle() *handle {
	if e := h.idle.Back(); e != nil {
		return e.Value.(*handle)
	}
	return nil
}

// hasIdleSince reports whether a file has been idle since before then.
func (h *handles) hasIdleSince(then time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.longestIdle()
	return f != nil && f.idleSince.Before(then)
}

// count returns the number of open files.
func (h *handles) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// close closes all idle files now, and the others when they are released.
func (h *handles) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.closeIdle(0, time.Time{})
}

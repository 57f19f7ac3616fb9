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

// handleIdle is how long a file stays open that nobody reads: longer than a reader
// on a slow line needs for a chunk.
const handleIdle = 3 * time.Second

// handles are the files that are open, one a name, shared by all who read it. A file
// is in use while an operation of the gate reads from it, and not while its readers
// send what they have read, so that any number of them get by with few descriptors:
// as many as the gate has places, and some idle ones that save opening them again.
type handles struct {
	hidden func(fs.FileInfo) bool
	idlest int // the most idle ones

	mu     sync.Mutex
	byName map[string]*handle
	idle   list.List // of *handle, the one used last in front
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
	users int
	since time.Time     // of being idle
	at    *list.Element // in handles.idle
}

func newHandles(idlest int, hidden func(fs.FileInfo) bool) *handles {
	return &handles{idlest: idlest, hidden: hidden, byName: map[string]*handle{}}
}

// isOpen reports whether a file of that name is open.
func (h *handles) isOpen(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byName[name] != nil
}

// borrow returns an open file of that version, opening it where it is not. It must be
// given back. The error is ErrChanged where the name leads to another version, or one
// of the file system.
func (h *handles) borrow(dir *generation, info Info) (*handle, error) {
	h.mu.Lock()
	if f := h.byName[info.Name]; f != nil && f.dir == dir && f.stamp == info.stamp {
		h.use(f)
		h.mu.Unlock()
		return f, nil
	}
	h.mu.Unlock()
	f, _, err := h.openNow(dir, info.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrChanged
	} else if err != nil {
		return nil, err
	}
	if f.stamp != info.stamp {
		h.giveBack(f)
		return nil, ErrChanged
	}
	return f, nil
}

// openNow opens a regular file that may be seen, as it is now. It must be given back.
func (h *handles) openNow(dir *generation, name string) (*handle, fs.FileInfo, error) {
	h.closeIdle(h.idlest-1, time.Time{})
	// A hidden file must not even be opened: closing it would release all record locks
	// that this process has on it, those of the register's database for example.
	fi, err := dir.root.Stat(name)
	if err != nil {
		return nil, nil, mapNotFound(err)
	}
	if !h.mayBeSeen(fi) {
		return nil, nil, ErrNotFound
	}
	// Something else may have taken the name meanwhile. O_NONBLOCK: opening a FIFO must
	// not wait for its writer.
	disk, err := dir.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, mapNotFound(err)
	}
	fi, err = disk.Stat()
	if err == nil && !h.mayBeSeen(fi) {
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
		h.idle.Remove(old.at)
		h.open--
		unused = old
	}
	h.mu.Unlock()
	if unused != nil {
		unused.disk.Close()
	}
	return f, fi, nil
}

// mayBeSeen reports whether a file is regular and not hidden.
func (h *handles) mayBeSeen(fi fs.FileInfo) bool {
	return fi.Mode().IsRegular() && (h.hidden == nil || !h.hidden(fi))
}

func (h *handles) use(f *handle) {
	if f.users == 0 {
		h.idle.Remove(f.at)
	}
	f.users++
}

// giveBack ends the use of f, which stays open for a while.
func (h *handles) giveBack(f *handle) {
	h.mu.Lock()
	f.users--
	last := f.users == 0
	keep := h.byName[f.name] == f && !h.closed
	if last && keep {
		f.since = time.Now()
		f.at = h.idle.PushFront(f)
	} else if last {
		h.forget(f)
	}
	h.mu.Unlock()
	if last && !keep {
		f.disk.Close()
		return
	}
	h.closeIdle(h.idlest, time.Time{})
}

// forget takes f out of the books.
func (h *handles) forget(f *handle) {
	h.open--
	if h.byName[f.name] == f {
		delete(h.byName, f.name)
	}
}

// closeIdle closes idle files until at most n are left, and all that have been idle
// since before then.
func (h *handles) closeIdle(n int, then time.Time) {
	for {
		h.mu.Lock()
		oldest := h.oldest()
		if oldest == nil || h.idle.Len() <= max(n, 0) && !oldest.since.Before(then) {
			h.mu.Unlock()
			return
		}
		h.idle.Remove(oldest.at)
		h.forget(oldest)
		h.mu.Unlock()
		oldest.disk.Close()
	}
}

// oldest returns the file that has been idle for longest.
func (h *handles) oldest() *handle {
	if e := h.idle.Back(); e != nil {
		return e.Value.(*handle)
	}
	return nil
}

// haveIdle reports whether a file has been idle since before then.
func (h *handles) haveIdle(then time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.oldest()
	return f != nil && f.since.Before(then)
}

// count returns how many files are open.
func (h *handles) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// close closes all files that nobody uses, and the others once they are given back.
func (h *handles) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.closeIdle(0, time.Time{})
}

package ownfiles

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often everything is looked at.
	lookEvery = time.Second

	// lookWait is how long Hides waits for a look. Where the own files' disk does not
	// answer in that time, a file that has the name of one of them is taken for one.
	// Any other is not: it lies on a disk that answers.
	lookWait = time.Second

	// recent is how long ago a file may have changed to have been missed by the last
	// look: more than the time between two, and than what clocks of file systems
	// are behind.
	recent = 3 * time.Second

	// maxHeld is how many files are held by descriptors, to be told wherever they are
	// moved: more than there are logs on most machines, and far below the 1,024
	// descriptors that a process has at least. A file beyond them is told as long as it
	// has its path or name.
	maxHeld = 128

	// maxFiles bounds the files that are told. The rotations of a log beyond them are
	// not.
	maxFiles = 4096

	// scanShare bounds the time that goes into reading the log's directory: after a
	// scan there is none for that many times as long as it took.
	scanShare = 50
)

// Set is the program's own files. It is safe for concurrent use.
type Set struct {
	paths []string
	bases map[string]bool // of paths
	logs  []*logDir

	known atomic.Pointer[map[identity][]*file] // is replaced, never changed
	// Unix times in ns: when the last look at everything began, and when the one that is
	// under way did, 0 if there is none.
	looked, looking atomic.Int64

	looks  chan look
	closed chan struct{}
	ended  chan struct{}
	once   sync.Once
}

// file is an own file.
type file struct {
	info  fs.FileInfo
	held  *os.File // nil: it is told as long as it has its path or name
	named bool     // it had one when that was last looked at
}

// look asks for a look at everything, or at the paths and a name only, which may be
// that of a rotation.
type look struct {
	name string // empty: everything
	done chan struct{}
}

// New returns the set of the files at paths, now or later, and of what is set aside
// of the log at the path log, which is one of them. They need not exist. The caller
// has to call Close.
func New(log string, paths ...string) *Set {
	s := &Set{
		paths:  append([]string{log}, paths...),
		bases:  map[string]bool{},
		logs:   logDirs(log),
		looks:  make(chan look),
		closed: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	for _, path := range s.paths {
		s.bases[filepath.Base(path)] = true
	}
	s.known.Store(&map[identity][]*file{})
	go s.run()
	s.Look()
	return s
}

// Close ends the looking. It does not wait for a disk that hangs.
func (s *Set) Close() {
	s.once.Do(func() { close(s.closed) })
	select {
	case <-s.ended:
	case <-time.After(lookWait):
	}
}

// Hides reports whether fi describes one of the program's own files. It is cheap
// where fi has been left alone for some seconds.
func (s *Set) Hides(fi fs.FileInfo) bool {
	if s.contains(fi) {
		return true
	}
	named := s.bases[fi.Name()]
	if !named && changed(fi).UnixNano() < s.looked.Load()-int64(recent) {
		return false
	}
	if !s.lookFor(fi.Name()) {
		return named
	}
	return s.contains(fi)
}

// Look looks at everything, and returns when that is done or takes too long.
func (s *Set) Look() { s.lookFor("") }

func (s *Set) lookFor(name string) (looked bool) {
	if began := s.looking.Load(); began != 0 && time.Since(time.Unix(0, began)) > lookWait {
		return false
	}
	l := look{name: name, done: make(chan struct{})}
	timeout := time.NewTimer(lookWait)
	defer timeout.Stop()
	select {
	case s.looks <- l:
	case <-timeout.C:
		return false
	case <-s.closed:
		return false
	}
	select {
	case <-l.done:
		return true
	case <-timeout.C:
		return false
	}
}

func (s *Set) contains(fi fs.FileInfo) bool {
	for _, f := range (*s.known.Load())[identify(fi)] {
		if os.SameFile(f.info, fi) {
			return true
		}
	}
	return false
}

// run does the looking, on one goroutine: it may hang with the disk.
func (s *Set) run() {
	defer close(s.ended)
	var all files
	defer all.release()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var l look
		select {
		case l = <-s.looks:
		case <-tick.C:
		case <-s.closed:
			return
		}
		began := time.Now().UnixNano()
		s.looking.Store(began)
		if l.name == "" {
			all.next()
			s.note(&all, "")
			all.drop()
		} else {
			s.note(&all, l.name)
		}
		if all.changed {
			s.known.Store(all.index())
		}
		if l.name == "" {
			s.looked.Store(began) // only now may it be relied upon
		}
		s.looking.Store(0)
		if l.done != nil {
			close(l.done)
		}
	}
}

// note notes the files at the paths, and the rotations: all of them, or that of the
// given name.
func (s *Set) note(all *files, name string) {
	for _, path := range s.paths {
		all.note(path, math.MaxInt)
	}
	for _, d := range s.logs {
		d.note(all, name)
	}
}

// files are the files that are told, as the looking goroutine knows them.
type files struct {
	all     []*file
	byID    map[identity][]*file
	held    int
	changed bool // since they were indexed
}

// next begins a look.
func (a *files) next() {
	for _, f := range a.all {
		f.named = false
	}
}

// note takes the file at path for an own file, unless it is new and limit files are known.
// Only regular files count: nothing else is served.
func (a *files) note(path string, limit int) {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return
	}
	id := identify(fi)
	for _, f := range a.byID[id] {
		if os.SameFile(f.info, fi) {
			f.named = true
			return
		}
	}
	if len(a.all) >= limit {
		return
	}
	f := &file{info: fi, named: true}
	if follows && a.held < maxHeld {
		f.hold(path)
	}
	if f.held != nil {
		a.held++
	}
	if a.byID == nil {
		a.byID = map[identity][]*file{}
	}
	a.all, a.changed = append(a.all, f), true
	a.byID[id] = append(a.byID[id], f)
}

// hold opens the file, unless another one has come to its path since.
func (f *file) hold(path string) {
	held, err := os.OpenFile(path, holdFlags, 0)
	if err != nil {
		return
	}
	if fi, err := held.Stat(); err != nil || !os.SameFile(fi, f.info) {
		held.Close()
		return
	}
	f.held = held
}

// drop ends a look: it lets go of files that no longer exist, as far as that can be
// told.
func (a *files) drop() {
	kept := a.all[:0]
	for _, f := range a.all {
		if f.named || f.exists() {
			kept = append(kept, f)
			continue
		}
		if f.held != nil {
			f.held.Close()
			a.held--
		}
		a.changed = true
	}
	clear(a.all[len(kept):])
	a.all = kept
}

// exists reports whether a file without path and name is somewhere else now.
func (f *file) exists() bool {
	if f.held == nil {
		return false
	}
	fi, err := f.held.Stat()
	return err == nil && links(fi) > 0
}

// index returns the files by their identities, in a map that is the caller's.
func (a *files) index() *map[identity][]*file {
	a.byID = make(map[identity][]*file, len(a.all))
	for _, f := range a.all {
		id := identify(f.info)
		a.byID[id] = append(a.byID[id], f)
	}
	a.changed = false
	index := maps.Clone(a.byID)
	for id := range index {
		index[id] = slices.Clone(index[id]) // note appends to the other one
	}
	return &index
}

func (a *files) release() {
	for _, f := range a.all {
		if f.held != nil {
			f.held.Close()
		}
	}
}

// IsBelow reports whether the file at path, which need not exist, lies below a
// directory.
func IsBelow(dir, path string) bool {
	dir, err := resolve(dir)
	if err != nil {
		return false
	}
	resolved, err := resolve(path)
	if errors.Is(err, fs.ErrNotExist) { // it may come
		resolved, err = resolve(filepath.Dir(path))
		resolved = filepath.Join(resolved, filepath.Base(path))
	}
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, resolved)
	return err == nil && filepath.IsLocal(rel)
}

// resolve returns the absolute path of a file, free of symbolic links.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

package ownfiles

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// checkInterval is the time between two full checks.
	checkInterval = time.Second

	// checkTimeout is how long Hides waits for a check. If the disk of the own files does
	// not respond in this time, a file with the name of an own file counts as one. Any other
	// file does not: it is on a disk that responds.
	checkTimeout = time.Second

	// recent is the maximum age of a change that the last check may have missed. It exceeds
	// the time between two checks plus the granularity of file system clocks.
	recent = 3 * time.Second
)

// Set is the set of the program's own files. It is safe for concurrent use.
type Set struct {
	paths []string
	bases map[string]bool // base names of paths
	logs  []*logDir

	known atomic.Pointer[map[identity][]*file] // replaced, never modified

	// Unix times in ns: the start of the last full check, and the start of the check in
	// progress (0: none).
	checked, checking atomic.Int64

	checks chan check
	closed chan struct{}
	ended  chan struct{}
	once   sync.Once
}

// check requests a check: a full one, or one of the paths and of a name that may be that of
// a rotation.
type check struct {
	name string // empty: a full check
	done chan struct{}
}

// New returns the set of the files at paths, present or future, and of the log at the path
// log and its rotations. The caller must close the set.
func New(log string, paths ...string) *Set {
	s := &Set{
		paths:  append([]string{log}, paths...),
		bases:  map[string]bool{},
		logs:   logDirs(log),
		checks: make(chan check),
		closed: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	for _, path := range s.paths {
		s.bases[filepath.Base(path)] = true
	}
	s.known.Store(&map[identity][]*file{})
	go s.run()
	s.Check()
	return s
}

// Close ends the checks. It does not wait for a disk that hangs.
func (s *Set) Close() {
	s.once.Do(func() { close(s.closed) })
	select {
	case <-s.ended:
	case <-time.After(checkTimeout):
	}
}

// Hides reports whether fi describes an own file. It is fast for files that have not changed
// for some seconds, and never takes much longer than a second.
func (s *Set) Hides(fi fs.FileInfo) bool {
	if s.contains(fi) {
		return true
	}
	named := s.bases[fi.Name()]
	if !named && changed(fi).UnixNano() < s.checked.Load()-int64(recent) {
		return false
	}
	if !s.request(fi.Name()) {
		return named
	}
	return s.contains(fi)
}

// Check runs a full check. It returns when that is done or has timed out.
func (s *Set) Check() { s.request("") }

// request requests a check and reports whether it was done in time.
func (s *Set) request(name string) (done bool) {
	if began := s.checking.Load(); began != 0 && time.Since(time.Unix(0, began)) > checkTimeout {
		return false
	}
	c := check{name: name, done: make(chan struct{})}
	timeout := time.NewTimer(checkTimeout)
	defer timeout.Stop()
	select {
	case s.checks <- c:
	case <-timeout.C:
		return false
	case <-s.closed:
		return false
	}
	select {
	case <-c.done:
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

// run runs all checks, in a goroutine of its own because they may hang with the disk.
func (s *Set) run() {
	defer close(s.ended)
	var all files
	defer all.close()
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		var c check
		select {
		case c = <-s.checks:
		case <-tick.C:
		case <-s.closed:
			return
		}
		began := time.Now().UnixNano()
		s.checking.Store(began)
		if c.name == "" {
			all.unmark()
			s.add(&all, "")
			all.removeDeleted()
		} else {
			s.add(&all, c.name)
		}
		if all.changed {
			s.known.Store(all.index())
		}
		if c.name == "" {
			s.checked.Store(began) // after known: Hides relies on it
		}
		s.checking.Store(0)
		if c.done != nil {
			close(c.done)
		}
	}
}

// add adds the files at the paths and the rotations: all of them, or the one of that name.
func (s *Set) add(all *files, name string) {
	for _, path := range s.paths {
		all.add(path, math.MaxInt)
	}
	for _, d := range s.logs {
		d.add(all, name)
	}
}

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
	// scanEvery is the interval between scans.
	scanEvery = time.Second

	// scanWait is how long Hides waits for a scan. If the own files' disk does not
	// answer in time, a file with the name of an own file is hidden. Any other file is
	// not: it lies on a disk that answers.
	scanWait = time.Second

	// recent is how long ago a file may have changed and still have been missed by the
	// last scan. It exceeds the interval between scans plus the lag of file systems'
	// clocks.
	recent = 3 * time.Second
)

// Set is the program's own files. It is safe for concurrent use.
type Set struct {
	paths []string
	bases map[string]bool // base names of paths
	logs  []*logDir

	known atomic.Pointer[map[identity][]*file] // the map is immutable
	// Unix times in nanoseconds: when the last complete scan began, and when the current
	// scan began, 0 if none is running.
	scanned, scanning atomic.Int64

	requests chan request
	closed   chan struct{}
	ended    chan struct{}
	once     sync.Once
}

// request asks for a scan.
type request struct {
	name string // scan only the paths and the rotation of this name; empty: everything
	done chan struct{}
}

// New returns the set of the log at path log with its rotations, and of the files at
// paths. They need not exist yet. The caller must call Close.
func New(log string, paths ...string) *Set {
	s := &Set{
		paths:    append([]string{log}, paths...),
		bases:    map[string]bool{},
		logs:     logDirs(log),
		requests: make(chan request),
		closed:   make(chan struct{}),
		ended:    make(chan struct{}),
	}
	for _, path := range s.paths {
		s.bases[filepath.Base(path)] = true
	}
	s.known.Store(&map[identity][]*file{})
	go s.run()
	s.Scan()
	return s
}

// Close ends the scans. It waits at most scanWait for the last one.
func (s *Set) Close() {
	s.once.Do(func() { close(s.closed) })
	select {
	case <-s.ended:
	case <-time.After(scanWait):
	}
}

// Hides reports whether fi describes one of the program's own files. It may wait for a
// scan, unless the file has not changed for some seconds.
func (s *Set) Hides(fi fs.FileInfo) bool {
	if s.contains(fi) {
		return true
	}
	named := s.bases[fi.Name()]
	if !named && changed(fi).UnixNano() < s.scanned.Load()-int64(recent) {
		return false
	}
	if !s.request(fi.Name()) {
		return named
	}
	return s.contains(fi)
}

// Scan scans everything. It returns when that is done, or after scanWait.
func (s *Set) Scan() { s.request("") }

// request has the goroutine run a scan, see request.name, and reports whether it was
// done within scanWait.
func (s *Set) request(name string) (done bool) {
	if began := s.scanning.Load(); began != 0 && time.Since(time.Unix(0, began)) > scanWait {
		return false
	}
	r := request{name: name, done: make(chan struct{})}
	timeout := time.NewTimer(scanWait)
	defer timeout.Stop()
	select {
	case s.requests <- r:
	case <-timeout.C:
		return false
	case <-s.closed:
		return false
	}
	select {
	case <-r.done:
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

// run does all scans on one goroutine, which hangs if the disk does.
func (s *Set) run() {
	defer close(s.ended)
	var all files
	defer all.close()
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	for {
		var r request
		select {
		case r = <-s.requests:
		case <-tick.C:
		case <-s.closed:
			return
		}
		began := time.Now().UnixNano()
		s.scanning.Store(began)
		if r.name == "" {
			all.begin()
			s.addTo(&all, "")
			all.sweep()
		} else {
			s.addTo(&all, r.name)
		}
		if all.changed {
			s.known.Store(all.index())
		}
		if r.name == "" {
			s.scanned.Store(began) // after known: Hides relies on it
		}
		s.scanning.Store(0)
		if r.done != nil {
			close(r.done)
		}
	}
}

// addTo adds the files at the paths and the rotations to all. With a name, it adds only
// the rotation of that name.
func (s *Set) addTo(all *files, name string) {
	for _, path := range s.paths {
		all.add(path, math.MaxInt)
	}
	for _, d := range s.logs {
		d.addTo(all, name)
	}
}

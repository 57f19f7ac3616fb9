package ownfiles

import (
	"io/fs"
	"maps"
	"os"
	"slices"
)

const (
	// maxHeld is the maximum number of files that are held open, to recognize them wherever
	// they are moved: more than most machines have logs, and far below the 1,024 descriptors
	// that a process commonly may have. Other files are recognized as long as they keep
	// their path or name.
	maxHeld = 128

	// maxFiles is the maximum number of files up to which rotations are added.
	maxFiles = 4096
)

// file is an own file.
type file struct {
	info  fs.FileInfo
	held  *os.File // nil: recognized only as long as it keeps its path or name
	named bool     // the last check found it under its path or name
}

// files are the own files, as the goroutine that runs the checks knows them.
type files struct {
	all     []*file
	byID    map[identity][]*file
	held    int
	changed bool // since the last index
}

// unmark starts a full check.
func (a *files) unmark() {
	for _, f := range a.all {
		f.named = false
	}
}

// add adds the file at path. A file that is not yet known is added only if fewer than limit
// files are known. Other than regular files are ignored: they are never served.
func (a *files) add(path string, limit int) {
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
	if canHold && a.held < maxHeld {
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

// hold opens the file, unless path refers to another file by now.
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

// removeDeleted ends a full check: it removes files that no longer exist, or that can no
// longer be recognized.
func (a *files) removeDeleted() {
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

// exists reports whether a file that has lost its path or name is known to exist elsewhere.
func (f *file) exists() bool {
	if f.held == nil {
		return false
	}
	fi, err := f.held.Stat()
	return err == nil && links(fi) > 0
}

// index returns a new map of the files by identity.
func (a *files) index() *map[identity][]*file {
	a.byID = make(map[identity][]*file, len(a.all))
	for _, f := range a.all {
		id := identify(f.info)
		a.byID[id] = append(a.byID[id], f)
	}
	a.changed = false
	index := maps.Clone(a.byID)
	for id := range index {
		index[id] = slices.Clone(index[id]) // add appends to the other one
	}
	return &index
}

// close closes all descriptors.
func (a *files) close() {
	for _, f := range a.all {
		if f.held != nil {
			f.held.Close()
		}
	}
}

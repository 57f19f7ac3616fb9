package ownfiles

import (
	"io/fs"
	"maps"
	"os"
	"slices"
)

const (
	// maxHeld is the maximum number of files held open, which are recognised wherever
	// they are moved. It exceeds the number of logs on most machines and is far below the
	// 1,024 descriptors that a process has at least. Further files are recognised as long
	// as they have their path or name.
	maxHeld = 128

	// maxFiles is the number of known files from which further rotations are ignored.
	maxFiles = 4096
)

// file is an own file.
type file struct {
	info  fs.FileInfo
	held  *os.File // nil: recognised only while it is named
	named bool     // the last complete scan found it by path or name
}

// files is the set of own files. Only the scanning goroutine uses it.
type files struct {
	all     []*file
	byID    map[identity][]*file
	held    int  // open files
	changed bool // since the last call of index
}

// begin begins a complete scan.
func (a *files) begin() {
	for _, f := range a.all {
		f.named = false
	}
}

// add adds the file at path, unless it is new and limit files are known. Only regular
// files are added: nothing else is served.
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

// hold opens the file, unless the path leads to another one by now.
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

// sweep ends a complete scan. It removes files that have been deleted, and files that
// have lost their path or name and are not held.
func (a *files) sweep() {
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

// exists reports whether f is held and has a name somewhere.
func (f *file) exists() bool {
	if f.held == nil {
		return false
	}
	fi, err := f.held.Stat()
	return err == nil && links(fi) > 0
}

// index rebuilds byID and returns a copy of it, which later changes do not affect.
func (a *files) index() *map[identity][]*file {
	a.byID = make(map[identity][]*file, len(a.all))
	for _, f := range a.all {
		id := identify(f.info)
		a.byID[id] = append(a.byID[id], f)
	}
	a.changed = false
	index := maps.Clone(a.byID)
	for id := range index {
		index[id] = slices.Clone(index[id]) // add appends to the original
	}
	return &index
}

// close closes the held files.
func (a *files) close() {
	for _, f := range a.all {
		if f.held != nil {
			f.held.Close()
		}
	}
}

package ownfiles

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logDir is where a log lies.
type logDir struct {
	dir, base string

	names    []string // of rotations, as of the last scan
	modified time.Time
	scanned  time.Time
	took     time.Duration
}

// logDirs returns where the log at path lies: the path as it is, and what it leads to
// if it is a symbolic link.
func logDirs(path string) []*logDir {
	dirs := []*logDir{{dir: filepath.Dir(path), base: filepath.Base(path)}}
	target, err := resolve(path)
	if err != nil {
		return dirs
	}
	dir, err := resolve(filepath.Dir(path))
	if err == nil && target != filepath.Join(dir, filepath.Base(path)) {
		dirs = append(dirs, &logDir{dir: filepath.Dir(target), base: filepath.Base(target)})
	}
	return dirs
}

// note notes the rotations there are, or that of the given name, which the last scan
// may not have seen.
func (d *logDir) note(all *files, name string) {
	if name != "" {
		if isRotation(d.base, name) {
			all.note(filepath.Join(d.dir, name), maxFiles)
		}
		return
	}
	if time.Since(d.scanned) >= scanShare*d.took {
		d.scan()
	}
	for _, name := range d.names {
		all.note(filepath.Join(d.dir, name), maxFiles)
	}
}

// scan reads the directory, unless it is as it was.
func (d *logDir) scan() {
	fi, err := os.Stat(d.dir)
	if err != nil {
		d.names = nil
		return
	}
	began := time.Now()
	// One that has been changed a moment ago may be changed again without another time.
	if fi.ModTime().Equal(d.modified) && d.modified.Before(d.scanned.Add(-recent)) {
		return
	}
	dir, err := os.Open(d.dir)
	if err != nil {
		return // the program may write there and not read: names are told one by one
	}
	defer dir.Close()
	var found []string
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if isRotation(d.base, name) && len(found) < maxFiles {
				found = append(found, name)
			}
		}
		if err != nil { // io.EOF, or a disk that has its own troubles
			break
		}
	}
	d.names, d.modified, d.scanned, d.took = found, fi.ModTime(), began, time.Since(began)
}

// compressions are how the names of compressed files end.
var compressions = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}

// isRotation reports whether a log of the name base is called name when it has been
// set aside, by this program or by logrotate and its like. For server.log these are,
// each also with the ending of a compressed file,
//
//	server-2026-01-02T03-04-05.678.log    server-20260102.log, server.1.log
//	server.log.1    server.log-20260102    server.log.old    server.log.bak    server.log~
//
// and server.log.gz itself. Nothing in base is a pattern.
func isRotation(base, name string) bool {
	compressed := false
	for _, ending := range compressions {
		if rest, ok := strings.CutSuffix(name, ending); ok {
			name, compressed = rest, true
			break
		}
	}
	if rest, ok := strings.CutPrefix(name, base); ok {
		switch rest {
		case "":
			return compressed
		case ".old", ".bak", "~":
			return true
		}
		if isStamp(rest) {
			return true
		}
	}
	ext := filepath.Ext(base)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	if !ok {
		return false
	}
	stamp, ok := strings.CutSuffix(rest, ext)
	return ok && isStamp(stamp)
}

// isStamp reports whether s is a number or a time behind a separator.
func isStamp(s string) bool {
	return len(s) > 1 && strings.ContainsRune(".-_", rune(s[0])) && '0' <= s[1] && s[1] <= '9' &&
		strings.Trim(s[1:], "0123456789.-_:+TZ") == ""
}

package ownfiles

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scanShare bounds the share of time spent on reading the directory of a log: after a scan
// there is none for scanShare times as long as it took.
const scanShare = 50

// logDir is the directory of a log.
type logDir struct {
	dir, base string

	// As of the last scan.
	names    []string // of rotations
	modified time.Time
	scanned  time.Time
	took     time.Duration
}

// logDirs returns the directories of the log at path: that of the path itself and, if it is
// a symbolic link, that of its target.
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

// add adds all rotations, or the one of that name, which the last scan may have missed.
func (d *logDir) add(all *files, name string) {
	if name != "" {
		if isRotation(d.base, name) {
			all.add(filepath.Join(d.dir, name), maxFiles)
		}
		return
	}
	if time.Since(d.scanned) >= scanShare*d.took {
		d.scan()
	}
	for _, name := range d.names {
		all.add(filepath.Join(d.dir, name), maxFiles)
	}
}

// scan reads the directory if it has changed.
func (d *logDir) scan() {
	fi, err := os.Stat(d.dir)
	if err != nil {
		d.names = nil
		return
	}
	began := time.Now()
	// A directory that changed just before the scan may have changed again since without a
	// new modification time.
	if fi.ModTime().Equal(d.modified) && d.modified.Before(d.scanned.Add(-recent)) {
		return
	}
	dir, err := os.Open(d.dir)
	if err != nil {
		return // perhaps not readable, only writable: rotations are recognized one by one
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
		if err != nil { // io.EOF or a read error
			break
		}
	}
	d.names, d.modified, d.scanned, d.took = found, fi.ModTime(), began, time.Since(began)
}

// compressions are the extensions of compressed files.
var compressions = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}

// isRotation reports whether name is the name of a rotated log whose original name is base.
// It knows the names that this program, logrotate and similar programs use. For server.log
// these are, each also with the extension of a compressed file:
//
//	server-2026-01-02T03-04-05.678.log    server-20260102.log, server.1.log
//	server.log.1    server.log-20260102    server.log.old    server.log.bak    server.log~
//
// and also server.log.gz. base is not a pattern.
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

// isStamp reports whether s is a separator followed by a number or a time.
func isStamp(s string) bool {
	return len(s) > 1 && strings.ContainsRune(".-_", rune(s[0])) && '0' <= s[1] && s[1] <= '9' &&
		strings.Trim(s[1:], "0123456789.-_:+TZ") == ""
}

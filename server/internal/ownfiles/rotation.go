package ownfiles

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// readPause bounds the time spent reading the log's directory: after a read, the next one
// waits this many times as long as the read took.
const readPause = 50

// logDir is the directory of a log, searched for the log's rotations.
type logDir struct {
	dir, base string // base is the log's name in dir

	names    []string      // rotations found by the last read of dir
	modified time.Time     // of dir at that time
	readAt   time.Time     // when it began
	took     time.Duration // how long it took
}

// logDirs returns the directory of the log at path, and the directory of its target if
// the path is a symbolic link.
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

// addTo adds the rotations to all. With a name, it adds only the rotation of that name,
// which may be newer than the last read of the directory.
func (d *logDir) addTo(all *files, name string) {
	if name != "" {
		if isRotation(d.base, name) {
			all.add(filepath.Join(d.dir, name), maxFiles)
		}
		return
	}
	if time.Since(d.readAt) >= readPause*d.took {
		d.read()
	}
	for _, name := range d.names {
		all.add(filepath.Join(d.dir, name), maxFiles)
	}
}

// read reads the directory, unless it is unchanged.
func (d *logDir) read() {
	fi, err := os.Stat(d.dir)
	if err != nil {
		d.names = nil
		return
	}
	began := time.Now()
	// If the last change was recent when the directory was read, another one may have
	// left the time of modification the same.
	if fi.ModTime().Equal(d.modified) && d.modified.Before(d.readAt.Add(-recent)) {
		return
	}
	dir, err := os.Open(d.dir)
	if err != nil {
		return // no permission to read: rotations are recognised when Hides asks by name
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
		if err != nil { // io.EOF, or a read error: keep what was found
			break
		}
	}
	d.names, d.modified, d.readAt, d.took = found, fi.ModTime(), began, time.Since(began)
}

// compressions are the name endings of compressed files.
var compressions = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}

// isRotation reports whether name is the name of a rotation of the log named base, made
// by this program, logrotate or a similar program. For server.log the names are
//
//	server-2026-01-02T03-04-05.678.log    server-20260102.log    server.1.log
//	server.log.1    server.log-20260102    server.log.old    server.log.bak    server.log~
//
// each of these with a compression's ending, and server.log.gz. base is compared
// literally: it contains no pattern characters.
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

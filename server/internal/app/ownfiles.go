package app

import (
	"path/filepath"
	"strings"

	"example.com/parity/server/internal/ownfiles"
	"example.com/parity/server/internal/register"
)

// ownFile is a file of the program's own, which is never served even where it lies
// in the served directory, whatever name leads to it.
type ownFile struct {
	path string
	flag string // moves it
}

// ownFiles returns them. They need not exist.
func (c *serveConfig) ownFiles() []ownFile {
	own := []ownFile{{c.LogFile, "--log-file"}}
	for _, path := range register.OwnFiles(c.State) {
		own = append(own, ownFile{path, "--state"})
	}
	for _, f := range []ownFile{{c.TLSCert, "--tls-cert"}, {c.TLSKey, "--tls-key"}, {c.TLSClientCA, "--tls-client-ca"}} {
		if f.path != "" {
			own = append(own, f)
		}
	}
	return own
}

// openOwnFiles begins to watch where they are.
func (s *server) openOwnFiles() {
	var paths []string
	for _, f := range s.cfg.ownFiles() {
		paths = append(paths, f.path)
	}
	s.own = ownfiles.New(s.cfg.LogFile, paths...)
}

// warnOfOwnFiles says which of them lie below the served directory. They are not
// served, but a mistake away from it.
func (s *server) warnOfOwnFiles() {
	var names, flags []string
	for _, f := range s.cfg.ownFiles() {
		if ownfiles.IsBelow(s.cfg.Directory, f.path) {
			names, flags = append(names, filepath.Base(f.path)), append(flags, f.flag)
		}
	}
	if len(names) > 0 {
		s.stderr.Warn("own files lie below DIRECTORY: they are not served, and better kept elsewhere",
			"files", strings.Join(names, ", "), "flags", strings.Join(flags, ", "))
	}
}

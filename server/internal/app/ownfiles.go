package app

import (
	"log/slog"
	"path/filepath"
	"strings"

	"example.com/parity/server/internal/ownfiles"
	"example.com/parity/server/internal/register"
)

// ownFile is a file of the program's own. It is never served, whatever name leads to
// it, even inside the served directory.
type ownFile struct {
	path string
	flag string // sets the path
}

// ownFiles returns the program's own files. They need not exist.
func (c *serveCommand) ownFiles() []ownFile {
	own := []ownFile{{c.LogFile, "--log-file"}}
	for _, path := range register.OwnFiles(c.State) {
		own = append(own, ownFile{path, "--state"})
	}
	for _, f := range []ownFile{{c.TLSCert, "--tls-cert"}, {c.TLSKey, "--tls-key"}, {c.TLSClientCA, "--tls-client-ca"}, {c.Auth, "--auth"}} {
		if f.path != "" {
			own = append(own, f)
		}
	}
	return own
}

func (c *serveCommand) ownPaths() []string {
	var paths []string
	for _, f := range c.ownFiles() {
		paths = append(paths, f.path)
	}
	return paths
}

// warnOfOwnFiles logs which of them lie below the served directory: they are not
// served, but one mistake with the flags would change that.
func (c *serveCommand) warnOfOwnFiles(log *slog.Logger) {
	var names, flags []string
	for _, f := range c.ownFiles() {
		if ownfiles.IsBelow(c.Directory, f.path) {
			names, flags = append(names, filepath.Base(f.path)), append(flags, f.flag)
		}
	}
	if len(names) > 0 {
		log.Warn("own files lie below DIRECTORY: they are not served, but should be kept elsewhere",
			"files", strings.Join(names, ", "), "flags", strings.Join(flags, ", "))
	}
}

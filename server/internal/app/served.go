package app

import (
	"log/slog"
	"path/filepath"
	"strings"

	"example.com/parity/server/internal/filecache"
)

// selection returns which names are served.
func (c *serveCommand) selection() filecache.Selection {
	return filecache.Selection{Dotfiles: c.Hidden, Allow: c.Allow, Exclude: c.Exclude}
}

// announceFiles logs what is served, and where the own files are that never are, in one
// line: what a server gives away must not be a surprise.
func (c *serveCommand) announceFiles(log *slog.Logger) {
	var own []string
	for _, path := range c.ownPaths() {
		own = append(own, absolute(path))
	}
	served := []any{"directory", absolute(c.Directory), "dotfiles", c.Hidden}
	if len(c.Allow) > 0 {
		served = append(served, "allow", strings.Join(c.Allow, " "))
	}
	if len(c.Exclude) > 0 {
		served = append(served, "exclude", strings.Join(c.Exclude, " "))
	}
	log.Info("serving files", append(served, "never", strings.Join(own, " "))...)
}

// absolute returns an absolute path if it can be told.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

package filecache

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Selection says which names are served, whatever files they lead to. In its patterns *
// matches within a part of a name, and ** any number of parts. The zero Selection serves
// all names without a part that begins with a dot.
type Selection struct {
	// Dotfiles serves names with parts that begin with a dot too.
	Dotfiles bool
	// Allow, if not empty, are patterns of which a name must match one.
	Allow []string
	// Exclude are patterns of names that are not served, even if they are allowed.
	Exclude []string
}

// Validate returns an error for the first pattern that is malformed.
func (s Selection) Validate() error {
	for _, patterns := range [][]string{s.Allow, s.Exclude} {
		for _, p := range patterns {
			if p == "" || !doublestar.ValidatePattern(p) {
				return fmt.Errorf("%q is not a valid pattern", p)
			}
		}
	}
	return nil
}

// Includes reports whether the name is served.
func (s Selection) Includes(name string) bool {
	if !s.Dotfiles && (strings.HasPrefix(name, ".") || strings.Contains(name, "/.")) {
		return false
	}
	return (len(s.Allow) == 0 || matchesAny(s.Allow, name)) && !matchesAny(s.Exclude, name)
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if doublestar.MatchUnvalidated(p, name) {
			return true
		}
	}
	return false
}

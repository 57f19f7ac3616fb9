// Package version tells which program is running, and which build of the module it is.
package version

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// shortCommit is how many digits of a commit are shown: enough to find it.
const shortCommit = 12

// String returns the version of the module, the commit, and the version of Go, on one
// line. What the build does not know is left out.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return describe(info)
}

// Asked reports whether a command line asks for the version and nothing else.
func Asked(args []string) bool {
	return len(args) == 1 && (args[0] == "--version" || args[0] == "-version")
}

func describe(info *debug.BuildInfo) string {
	var commit, modified string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), shortCommit)]
		case "vcs.modified":
			if s.Value == "true" {
				modified = "-dirty"
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "parity %s", info.Main.Version)
	if commit != "" {
		fmt.Fprintf(&b, ", commit %s%s", commit, modified)
	}
	fmt.Fprintf(&b, ", %s", info.GoVersion)
	return b.String()
}

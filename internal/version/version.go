// Package version tells which program is running, and which build of the module it is.
package version

import "runtime/debug"

// shortCommit is how many digits of a commit are shown: enough to find it.
const shortCommit = 12

// Build says which build of the module a program is. What is not known is empty.
type Build struct {
	Version string // of the module
	Commit  string // its beginning; with "-dirty" if files were changed after it
	Go      string // version of Go
}

// Read returns the build of this program.
func Read() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Version: "unknown"}
	}
	return describe(info)
}

// String returns the build of this program on one line.
func String() string { return Read().String() }

// Asked reports whether a command line asks for the version and nothing else.
func Asked(args []string) bool {
	return len(args) == 1 && (args[0] == "--version" || args[0] == "-version")
}

func describe(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	modified := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(len(s.Value), shortCommit)]
		case "vcs.modified":
			if s.Value == "true" {
				modified = "-dirty"
			}
		}
	}
	if b.Commit != "" {
		b.Commit += modified
	}
	return b
}

// String returns what is known on one line.
func (b Build) String() string {
	text := "parity " + b.Version
	if b.Commit != "" {
		text += ", commit " + b.Commit
	}
	if b.Go != "" {
		text += ", " + b.Go
	}
	return text
}

package version

import (
	"os"
	"path/filepath"
	"strings"
)

// Program returns the name under which the program was started, for its messages and its
// help: whoever installs client as parity reads "parity" there.
func Program() string { return programName(os.Args) }

// programName is without the suffixes of Windows and of tests.
func programName(args []string) string {
	if len(args) == 0 { // which a parent process can do
		return "parity"
	}
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	return strings.TrimSuffix(name, ".test")
}

package version

import (
	"os"
	"path/filepath"
	"strings"
)

// Program returns the name under which the program was started, for its messages and its
// help: whoever installs client as parity reads "parity" there.
func Program() string {
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}

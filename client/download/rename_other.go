//go:build !linux

package download

import "os"

// renameNew renames a file unless the new name is taken, which is fs.ErrExist.
func renameNew(dir *os.Root, from, to string) error { return linkNew(dir, from, to) }

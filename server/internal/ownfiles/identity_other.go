//go:build !unix

package ownfiles

import "io/fs"

// canHold reports whether a file can be held open without affecting other programs.
const canHold = false

// identity is unavailable on this platform: os.SameFile alone compares files.
type identity struct{}

func identify(fs.FileInfo) identity { return identity{} }

// links is called only for files that are held.
func links(fs.FileInfo) uint64 { return 0 }

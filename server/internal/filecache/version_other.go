//go:build !linux && !darwin && !freebsd

package filecache

import "io/fs"

// fill has nothing to add here: size and time of modification must do.
func (s *stamp) fill(fs.FileInfo) {}

// isUnlinked cannot tell here.
func isUnlinked(fs.FileInfo) bool { return false }

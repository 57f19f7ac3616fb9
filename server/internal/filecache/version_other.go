//go:build !linux && !darwin && !freebsd

package filecache

import "io/fs"

// fill adds nothing on this platform: size and modification time identify a version.
func (s *stamp) fill(fs.FileInfo) {}

// isUnlinked is unavailable on this platform.
func isUnlinked(fs.FileInfo) bool { return false }

//go:build unix

package app

import (
	"math"
	"syscall"
)

// descriptorLimit returns the maximum of descriptors of the process. The Go runtime has
// raised the soft limit to the hard limit.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some platforms
}

//go:build unix

package app

import (
	"math"
	"syscall"
)

// descriptorLimit returns how many descriptors the process may have. Go raises what it
// may have to the most it may ask for.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32
	}
	return uint64(limit.Cur) //nolint:unconvert // signed on some systems
}

//go:build !unix

package app

import "math"

// descriptorLimit returns the maximum of descriptors of the process: here there is no
// limit.
func descriptorLimit() uint64 { return math.MaxInt32 }

//go:build !unix

package app

import "math"

// descriptorLimit returns how many descriptors the process may have: here there is no
// such limit.
func descriptorLimit() uint64 { return math.MaxInt32 }

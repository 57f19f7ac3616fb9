//go:build !linux

package main

import (
	"fmt"
	"runtime"
)

// peakMemory is unavailable: only Linux tells the peak of another process in one file.
func peakMemory(int) (uint64, error) {
	return 0, fmt.Errorf("memory is measured on Linux only, not on %s", runtime.GOOS)
}

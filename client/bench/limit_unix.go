//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// spareDescriptors is the number of descriptors that a program needs beside its sockets.
const spareDescriptors = 64

// checkLimit returns an error if the process may not open so many sockets. The Go runtime
// has raised the soft limit to the hard limit.
func checkLimit(sockets int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	most := uint64(limit.Cur) //nolint:unconvert // signed on FreeBSD
	if uint64(sockets+spareDescriptors) > most {
		return fmt.Errorf("%d connections are more than this process may have: its limit of open files (ulimit -n) is %d",
			sockets, most)
	}
	return nil
}

//go:build !linux

package bench

import (
	"fmt"
	"runtime"
)

// processWatch measures no process: memory and processor time of another process are read
// from Linux's /proc.
type processWatch struct{}

// watchProcess returns an error unless pid is 0, for no process.
func watchProcess(pid int) (*processWatch, error) {
	if pid == 0 {
		return nil, nil
	}
	return nil, fmt.Errorf("watching process %d: only on Linux, not on %s", pid, runtime.GOOS)
}

func (*processWatch) idle() error                 { return nil }
func (*processWatch) begin() error                { return nil }
func (*processWatch) end(int) (*ServerUse, error) { return nil, nil }

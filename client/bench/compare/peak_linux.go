package main

import "github.com/prometheus/procfs"

// peakMemory returns the most bytes that have been resident of a process.
func peakMemory(pid int) (uint64, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	status, err := process.NewStatus()
	return status.VmHWM, err
}

package bench

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// processWatch measures a process. A nil processWatch does nothing.
type processWatch struct {
	process    procfs.Proc
	idleBytes  int
	cpuSeconds float64
}

func watchProcess(pid int) (*processWatch, error) {
	if pid == 0 {
		return nil, nil
	}
	process, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("watching process %d: %w", pid, err)
	}
	return &processWatch{process: process}, nil
}

// idle measures the process before the clients connect.
func (w *processWatch) idle() error {
	if w == nil {
		return nil
	}
	stat, err := w.process.Stat()
	w.idleBytes = stat.ResidentMemory()
	return err
}

// begin measures it before they work.
func (w *processWatch) begin() error {
	if w == nil {
		return nil
	}
	stat, err := w.process.Stat()
	w.cpuSeconds = stat.CPUTime()
	return err
}

// end measures it when they have worked.
func (w *processWatch) end(clients int) (*ServerUse, error) {
	if w == nil {
		return nil, nil
	}
	stat, err := w.process.Stat()
	if err != nil {
		return nil, err
	}
	return &ServerUse{
		IdleBytes:  w.idleBytes,
		BusyBytes:  stat.ResidentMemory(),
		ClientSize: float64(stat.ResidentMemory()-w.idleBytes) / float64(clients),
		CPUSeconds: stat.CPUTime() - w.cpuSeconds,
	}, nil
}

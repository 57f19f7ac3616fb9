package bench

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// ServerUse is the memory and processor time of a server on this machine.
type ServerUse struct {
	IdleBytes  int     `json:"idle_bytes"`  // its resident memory before the clients connected
	BusyBytes  int     `json:"busy_bytes"`  // and when their work was over
	ClientSize float64 `json:"client_size"` // the difference, in bytes a client
	CPUSeconds float64 `json:"cpu_seconds"` // of its processor time, while they worked
}

func (u *ServerUse) String() string {
	return fmt.Sprintf("%.1f MiB resident, %.1f MiB before: %.1f kB a client; %.1f s of processor time",
		float64(u.BusyBytes)/(1<<20), float64(u.IdleBytes)/(1<<20), u.ClientSize/1e3, u.CPUSeconds)
}

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

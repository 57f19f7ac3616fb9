package bench

import "fmt"

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

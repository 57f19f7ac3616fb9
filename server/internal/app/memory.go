package app

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryShare is the part of the memory of the process's cgroup that the Go runtime may use
// before it collects garbage harder. The rest is for what it does not count, such as the
// kernel's buffers of sockets.
const memoryShare = 0.9

// limitMemory sets GOMEMLIMIT from the cgroup, unless the environment sets it: in a container
// the program must collect garbage before the kernel kills it.
func limitMemory(log *slog.Logger) {
	if _, err := memlimit.Set(memlimit.WithRatio(memoryShare)); err != nil {
		log.Warn("no memory limit was set from the cgroup", "cause", err)
	}
}

package app

import (
	"log/slog"

	"example.com/parity/server/internal/netguard"
)

const (
	// keptDescriptors are kept back for what must go on when everything else is used
	// up: the operators' connections, the log and its rotation, the register, upstreams,
	// listeners, and what the runtime has.
	keptDescriptors = 64
	// adminConnections is how many connections there may be for metrics and health.
	adminConnections = 32
	// openFiles is how many files may be open for reading.
	openFiles = 256
)

// descriptors is how many of them each part of the program may have.
type descriptors struct {
	files        int
	legacy, grpc netguard.Limits
}

// fit makes the parts no larger than limit allows together: of what is not kept back,
// files get a quarter at most, and the doors half of the rest each, or what the other
// leaves. The bound per address shrinks with that of all, so that a few addresses are
// still not everyone.
func (d descriptors) fit(limit int) descriptors {
	rest := max(limit-keptDescriptors, 4) // 4: one connection each, and a file
	d.files = min(d.files, rest/4)
	rest -= d.files
	half := rest / 2
	d.grpc = shrunk(d.grpc, max(half, rest-d.legacy.Total))
	d.legacy = shrunk(d.legacy, rest-d.grpc.Total)
	return d
}

// shrunk is l with so many connections at most.
func shrunk(l netguard.Limits, most int) netguard.Limits {
	if l.Total <= most {
		return l
	}
	return netguard.Limits{Total: most, PerAddress: max(1, l.PerAddress*most/l.Total)}
}

// sayFit says what was made of wanted, if that is less.
func (d descriptors) sayFit(wanted descriptors, limit int, log *slog.Logger) {
	if d.files < wanted.files || d.legacy.Total < wanted.legacy.Total || d.grpc.Total < wanted.grpc.Total {
		log.Warn("few files may be open in this process: fewer connections are taken (raise the limit, ulimit -n)",
			"limit", limit, "grpc", d.grpc.Total, "grpc_per_address", d.grpc.PerAddress, "legacy", d.legacy.Total, "legacy_per_address", d.legacy.PerAddress, "files", d.files)
	}
}

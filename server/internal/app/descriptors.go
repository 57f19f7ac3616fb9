package app

import (
	"log/slog"
	"math"
	"slices"

	"example.com/parity/server/internal/netguard"
)

const (
	// keptDescriptors are reserved for the parts that must work when all others are in
	// use: the operators' connections, the log and its rotation, the register, upstreams,
	// listeners, and the runtime.
	keptDescriptors = 64
	// adminConnections is the maximum of connections for metrics and health.
	adminConnections = 32
	// openFiles is the maximum of files open for reading.
	openFiles = 256
)

// descriptors is how many file descriptors each part of the program may use.
type descriptors struct {
	files        int
	legacy, grpc netguard.Limits
}

// share is how the descriptors of the process are shared out.
type share struct {
	wanted, granted descriptors
	limit           int // of the process
}

// shareDescriptors grants what the process's limit allows of wanted.
func shareDescriptors(wanted descriptors) share {
	limit := int(min(descriptorLimit(), math.MaxInt32))
	return share{wanted, wanted.fit(limit), limit}
}

// warn tells the operator if less was granted than wanted.
func (s share) warn(log *slog.Logger) {
	got, want := s.granted, s.wanted
	if got.files < want.files || got.legacy.Total < want.legacy.Total || got.grpc.Total < want.grpc.Total {
		log.Warn("the limit on open files is low: fewer connections are accepted (raise the limit, ulimit -n)",
			"limit", s.limit, "grpc", got.grpc.Total, "grpc_per_address", got.grpc.PerAddress,
			"legacy", got.legacy.Total, "legacy_per_address", got.legacy.PerAddress, "files", got.files)
	}
}

// fit reduces the parts so that together they stay below limit. Of what is not
// reserved, files get at most a quarter; each door gets half of the rest, or more if
// the other door uses less. The limit per address shrinks in proportion, so that a few
// addresses still cannot take all connections.
func (d descriptors) fit(limit int) descriptors {
	rest := max(limit-keptDescriptors, 4) // 4: one connection each, and a file
	d.files = min(d.files, rest/4)
	rest -= d.files
	half := rest / 2
	d.grpc = shrunk(d.grpc, max(half, rest-d.legacy.Total))
	d.legacy = shrunk(d.legacy, rest-d.grpc.Total)
	return d
}

// shrunk returns l reduced to at most total connections.
func shrunk(l netguard.Limits, total int) netguard.Limits {
	if l.Total <= total {
		return l
	}
	l.Total, l.PerAddress = total, max(1, l.PerAddress*total/l.Total)
	return l
}

// grpcLimits returns the limits that the flags set for gRPC connections.
func (c *serveCommand) grpcLimits() netguard.Limits {
	return netguard.Limits{
		Total:      c.GRPCConnections,
		PerAddress: c.GRPCConnectionsPerAddress,
		Displace:   true,
		Exempt:     slices.Concat(c.TrustedGateways, c.TrustedNetworks),
	}
}

// legacyLimits returns those for connections of the original protocols.
func (f *commonFlags) legacyLimits() netguard.Limits {
	if f.Legacy == "" && f.LegacyFiles == "" && f.LegacyTLS == "" {
		return netguard.Limits{}
	}
	return netguard.Limits{Total: f.LegacyConnections, PerAddress: f.LegacyConnectionsPerAddress}
}

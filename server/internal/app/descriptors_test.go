package app

import (
	"testing"

	"example.com/parity/server/internal/netguard"
)

func TestFitDescriptors(t *testing.T) {
	legacy := netguard.Limits{Total: 16_384, PerAddress: 12_288}
	usual := descriptors{files: 256, legacy: legacy, grpc: netguard.Limits{Total: 4096, PerAddress: 1024}}
	for _, c := range []struct {
		limit                           int
		have                            descriptors
		files, legacy, grpc, perAddress int
	}{
		{1 << 20, usual, 256, 16_384, 4096, 1024},
		{64 + 256 + 16_384 + 4096, usual, 256, 16_384, 4096, 1024},
		{64 + 256 + 16_384 + 4096 - 1, usual, 256, 16_383, 4096, 1024},
		{1024, usual, 240, 360, 360, 90},
		// What one door does not need, the other gets.
		{1024, descriptors{files: 256, legacy: netguard.Limits{Total: 100, PerAddress: 50}, grpc: usual.grpc}, 240, 100, 620, 155},
		{1024, descriptors{files: 10, legacy: legacy}, 10, 950, 0, 0},
		// Too few for anything: every part still gets at least one.
		{20, usual, 1, 2, 1, 1},
	} {
		got := c.have.fit(c.limit)
		if got.files != c.files || got.legacy.Total != c.legacy || got.grpc.Total != c.grpc || got.grpc.PerAddress != c.perAddress {
			t.Errorf("fit(%d): %d files, %d legacy, %d gRPC, %d gRPC per address; want %d, %d, %d, %d", c.limit,
				got.files, got.legacy.Total, got.grpc.Total, got.grpc.PerAddress, c.files, c.legacy, c.grpc, c.perAddress)
		}
		if of := c.have.legacy; got.legacy.Total < of.Total && got.legacy.PerAddress != max(1, of.PerAddress*got.legacy.Total/of.Total) {
			t.Errorf("fit(%d): %d legacy connections per address of %d, want the configured ratio", c.limit, got.legacy.PerAddress, got.legacy.Total)
		}
		if sum := got.files + got.legacy.Total + got.grpc.Total; c.limit > 100 && sum+keptDescriptors > c.limit {
			t.Errorf("fit(%d) hands out %d descriptors and keeps %d", c.limit, sum, keptDescriptors)
		}
	}
}

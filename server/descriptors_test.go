package main

import (
	"testing"

	"example.com/parity/server/internal/netguard"
)

func TestFitDescriptors(t *testing.T) {
	usual := descriptors{files: 256, legacy: 16_384, grpc: netguard.Limits{Total: 4096, PerAddress: 1024}}
	for _, c := range []struct {
		limit                           int
		have                            descriptors
		files, legacy, grpc, perAddress int
	}{
		{1 << 20, usual, 256, 16_384, 4096, 1024},
		{64 + 256 + 16_384 + 4096, usual, 256, 16_384, 4096, 1024},
		{64 + 256 + 16_384 + 4096 - 1, usual, 256, 16_383, 4096, 1024},
		{1024, usual, 240, 360, 360, 90},
		// What one door does not want, the other may have.
		{1024, descriptors{files: 256, legacy: 100, grpc: usual.grpc}, 240, 100, 620, 155},
		{1024, descriptors{files: 10, legacy: 16_384}, 10, 950, 0, 0},
		// Too little for anything: some of it is used all the same.
		{20, usual, 1, 2, 1, 1},
	} {
		got := c.have.fit(c.limit)
		if got.files != c.files || got.legacy != c.legacy || got.grpc.Total != c.grpc || got.grpc.PerAddress != c.perAddress {
			t.Errorf("of %d: %d files, %d legacy, %d gRPC, %d of one address; want %d, %d, %d, %d", c.limit,
				got.files, got.legacy, got.grpc.Total, got.grpc.PerAddress, c.files, c.legacy, c.grpc, c.perAddress)
		}
		if sum := got.files + got.legacy + got.grpc.Total; c.limit > 100 && sum+keptDescriptors > c.limit {
			t.Errorf("of %d: %d", c.limit, sum)
		}
	}
}

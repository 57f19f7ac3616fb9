package download

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCombine(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := random(rng.Int64N(1<<16), rng.Uint64())
		at := rng.IntN(len(data) + 1)
		a, b := crc32.Checksum(data[:at], castagnoli), crc32.Checksum(data[at:], castagnoli)
		if got, want := combine(a, b, int64(len(data)-at)), crc32.Checksum(data, castagnoli); got != want {
			t.Fatalf("combine of %d and %d bytes = %08x, want %08x", at, len(data)-at, got, want)
		}
	}
	// More than any buffer holds: zeros, by halves.
	const doublings = 40
	sum, n := crc32.Checksum([]byte{0}, castagnoli), int64(1)
	for range doublings {
		sum, n = combine(sum, sum, n), 2*n
	}
	if split := combine(combine(sum, sum, n), crc32.Checksum([]byte("x"), castagnoli), 1); split != crc32.Update(combine(sum, sum, n), castagnoli, []byte("x")) {
		t.Errorf("after 2^%d zeros, one byte more gives %08x", doublings+1, split)
	}
}

func BenchmarkCombine(b *testing.B) {
	sum := uint32(1)
	for b.Loop() {
		sum = combine(sum, 0xDEADBEEF, maxSegment)
	}
}

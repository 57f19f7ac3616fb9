package download

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// combine returns the CRC-32C of a followed by b, by those of a and of b, which is
// n bytes long.
//
// Appending n zero bytes to a message changes its sum linearly: by a matrix of 32×32
// bits, which is squared to do twice as many.
func combine(a, b uint32, n int64) uint32 {
	if n <= 0 {
		return a
	}
	var bits, twice [32]uint32 // what each bit of a sum becomes
	// By one zero bit: shifted, and reduced by the polynomial.
	bits[0] = crc32.Castagnoli
	for i := 1; i < len(bits); i++ {
		bits[i] = 1 << (i - 1)
	}
	for range 3 { // by eight: a byte
		square(&twice, &bits)
		bits = twice
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			a = times(&bits, a)
		}
		square(&twice, &bits)
		bits = twice
	}
	return a ^ b
}

// times multiplies a sum by a matrix.
func times(m *[32]uint32, sum uint32) (product uint32) {
	for i := 0; sum != 0; i, sum = i+1, sum>>1 {
		if sum&1 == 1 {
			product ^= m[i]
		}
	}
	return product
}

func square(to, m *[32]uint32) {
	for i := range to {
		to[i] = times(m, m[i])
	}
}

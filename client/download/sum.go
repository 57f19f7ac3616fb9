package download

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// combine returns the CRC-32C of a followed by b, from those of a and of b, which has n
// bytes.
//
// A checksum is a polynomial over GF(2), modulo Castagnoli's. Each byte multiplies the
// bytes before it by x^8, so b multiplies a by x^8n.
func combine(a, b uint32, n int64) uint32 {
	shift, power := one, one>>8
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiply(shift, power)
		}
		power = multiply(power, power)
	}
	return multiply(a, shift) ^ b
}

// one is the polynomial 1: the coefficient of x^0 is the highest bit.
const one = uint32(1) << 31

func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		// Times x.
		overflow := b & 1
		b >>= 1
		if overflow != 0 {
			b ^= crc32.Castagnoli
		}
	}
	return product
}

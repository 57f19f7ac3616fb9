package numbers

import (
	"math/rand/v2"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// draw returns a random number and its parity. The numbers are uniform over the 50 of an
// even or odd parity, and over all 100 for PARITY_UNSPECIFIED.
func draw(p numbersv1.Parity) (int32, numbersv1.Parity) {
	switch p {
	case numbersv1.Parity_PARITY_EVEN:
		return 2 * rand.Int32N(50), p
	case numbersv1.Parity_PARITY_ODD:
		return 2*rand.Int32N(50) + 1, p
	}
	n := rand.Int32N(100)
	return n, parityOf(n)
}

func parityOf(n int32) numbersv1.Parity {
	if n%2 == 0 {
		return numbersv1.Parity_PARITY_EVEN
	}
	return numbersv1.Parity_PARITY_ODD
}

// increments are the responses to draws, by number. A sent message never changes, so all
// sessions share them.
var increments = func() (all [100]*numbersv1.CountResponse) {
	for n := range int32(len(all)) {
		all[n] = &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{
			Increment: &numbersv1.Increment{Number: n, Parity: parityOf(n)},
		}}
	}
	return all
}()

// Increments returns the responses to draws in sessions. Sessions send these very
// pointers, and the messages never change: a codec can encode them once.
func Increments() []*numbersv1.CountResponse { return increments[:] }

package bench

import (
	"fmt"
	"math/rand/v2"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// anyParity returns a random parity.
func anyParity() numbersv1.Parity {
	if rand.N(2) == 0 {
		return numbersv1.Parity_PARITY_EVEN
	}
	return numbersv1.Parity_PARITY_ODD
}

// checkNumber checks the answer to a request for a number of that parity.
func checkNumber(number int64, asked numbersv1.Parity) error {
	odd := asked == numbersv1.Parity_PARITY_ODD
	switch {
	case number < 0 || number > 99:
		return fmt.Errorf("got %d, which is not from 0 to 99", number)
	case odd != (number%2 == 1):
		return fmt.Errorf("asked for %v, got %d", asked, number)
	}
	return nil
}

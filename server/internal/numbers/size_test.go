package numbers

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// TestAtMost encodes the longest replies that there can be.
func TestAtMost(t *testing.T) {
	for _, m := range []proto.Message{
		&numbersv1.DrawResponse{Number: math.MinInt32, Parity: math.MinInt32},
		&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Increment{Increment: &numbersv1.Increment{
			Number: math.MinInt32, Parity: math.MinInt32,
		}}},
		&numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Committed{Committed: &numbersv1.Committed{
			Reports: math.MinInt64, Value: math.MinInt64,
		}}},
	} {
		if size, most := proto.Size(m), AtMost(m); int64(size) > most {
			t.Errorf("%v has %d bytes, said to be %d at most", m, size, most)
		}
	}
	registered := &numbersv1.CountResponse{Kind: &numbersv1.CountResponse_Registered{Registered: &numbersv1.Registered{}}}
	for _, m := range []proto.Message{registered, &numbersv1.ListClientsResponse{}} {
		if AtMost(m) != 0 {
			t.Errorf("%T has texts in it, and is said to be short", m)
		}
	}
}

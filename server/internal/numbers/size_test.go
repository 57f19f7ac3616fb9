package numbers

import (
	"testing"

	"google.golang.org/protobuf/proto"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
	"example.com/parity/internal/prototest"
)

// TestAtMost compares the bound with the size of every message of the API with all fields
// set, texts long and numbers as long as they can be.
func TestAtMost(t *testing.T) {
	bounded := 0
	for typ := range prototest.Types() {
		for _, m := range append(prototest.Full(typ), typ.New().Interface()) {
			most := AtMost(m)
			if most == 0 {
				continue
			}
			bounded++
			if size := proto.Size(m); int64(size) > most {
				t.Errorf("%.100v has %d bytes, AtMost = %d", m, size, most)
			}
		}
	}
	if bounded == 0 {
		t.Error("no message has a bound")
	}
	for _, m := range []any{increments[0], &numbersv1.DrawResponse{}} {
		if AtMost(m) == 0 {
			t.Errorf("%T, which is sent often, has no bound", m)
		}
	}
}

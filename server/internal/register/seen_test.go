package register

import (
	"testing"
	"time"
)

func TestSeenLast(t *testing.T) {
	for _, test := range []struct {
		seen Seen
		door Door
		at   time.Time
	}{
		{Seen{}, GRPC, time.Time{}},
		{SeenAt(GRPC, at(1)), GRPC, at(1)},
		{SeenAt(Legacy, at(1)), Legacy, at(1)},
		{Seen{at(1).UnixMicro(), at(2).UnixMicro()}, Legacy, at(2)},
		{Seen{at(2).UnixMicro(), at(1).UnixMicro()}, GRPC, at(2)},
	} {
		if door, last := test.seen.Last(); door != test.door || !last.Equal(test.at) {
			t.Errorf("Last of %v = %v, %v, want %v, %v", test.seen, door, last, test.door, test.at)
		}
	}
}

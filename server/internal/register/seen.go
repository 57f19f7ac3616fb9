package register

import "time"

// Door is a way in, through which clients reach a server.
type Door uint8

// The doors. Stores keep a time for each.
const (
	GRPC Door = iota
	Legacy
	doors int = iota
)

// Doors are all of them.
var Doors = [...]Door{GRPC, Legacy}

// String returns the door's name in logs and metrics.
func (d Door) String() string { return [...]string{"grpc", "legacy"}[d] }

// Seen is when a client last registered, reported or drew through each [Door], in
// microseconds since 1970; 0: never. It has no pointers, unlike time.Time, so that the
// garbage collector does not scan the register.
type Seen [doors]int64

// SeenAt returns the Seen of a client that was seen once.
func SeenAt(door Door, t time.Time) Seen {
	var s Seen
	if !t.IsZero() {
		s[door] = t.UnixMicro()
	}
	return s
}

// At returns when the client was last seen at a door; the zero time: never.
func (s Seen) At(door Door) time.Time {
	if s[door] == 0 {
		return time.Time{}
	}
	return time.UnixMicro(s[door])
}

// Last returns the door at which the client was last seen, and when; the zero time:
// never.
func (s Seen) Last() (Door, time.Time) {
	last := GRPC
	for door := range s {
		if s[door] > s[last] {
			last = Door(door)
		}
	}
	return last, s.At(last)
}

// merge returns the later time of each door.
func (s Seen) merge(other Seen) Seen {
	for door := range s {
		s[door] = max(s[door], other[door])
	}
	return s
}

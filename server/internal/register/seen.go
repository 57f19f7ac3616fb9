package register

import "time"

// Door is a way by which a client comes to a server.
type Door uint8

// The doors. Stores keep a time for each, by its number here.
const (
	GRPC Door = iota
	Legacy
	doors int = iota
)

// Seen is when a client was last seen at each [Door]: when it last registered,
// reported or drew through it, to the microsecond, or zero where it never did.
type Seen [doors]time.Time

// SeenAt is what is known of a client that was seen once.
func SeenAt(door Door, t time.Time) Seen {
	var s Seen
	s[door] = t
	return s
}

// Last returns the door at which the client was seen last, and when; the zero time
// if it was never seen.
func (s Seen) Last() (Door, time.Time) {
	last := GRPC
	for door := range s {
		if s[door].After(s[last]) {
			last = Door(door)
		}
	}
	return last, s[last]
}

// merge returns the later time of each door.
func (s Seen) merge(other Seen) Seen {
	for door, t := range other {
		if t.After(s[door]) {
			s[door] = t
		}
	}
	return s
}

// toMicro is how stores write a time: in microseconds since 1970, and 0 for none.
func toMicro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicro reads what toMicro returned.
func fromMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

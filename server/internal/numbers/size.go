package numbers

import numbersv1 "example.com/parity/gen/parity/numbers/v1"

// smallReply is more bytes than any reply to a draw or a report has when it is encoded:
// two numbers of at most 11 bytes each, and what is around them.
const smallReply = 32

// AtMost returns how many bytes a message has at most when it is encoded, 0 for those
// whose length depends on what is in them.
func AtMost(m any) int64 {
	switch m := m.(type) {
	case *numbersv1.CountResponse:
		if m.GetRegistered() == nil {
			return smallReply
		}
	case *numbersv1.DrawResponse:
		return smallReply
	}
	return 0
}

package legacytcp

import "fmt"

// recovery is what is known of a client's session with the service, and so what a
// lost stream leaves to do. It is a state machine: events come from the service, the
// client and the stream, next is its only transition function, and counting does what
// the states say. It holds no stream and makes no call.
//
// What must hold, whatever is lost when: a value is reported again only where it is
// not known to be durable, it never undoes what somebody else has written since, and
// nothing is asked or repeated for a client that has gone.
//
// # The token of a repeat
//
// The service writes a repeat that carries the token of session S only if the
// record's last writer is S, or if nobody has written since S was registered. The
// right token is that of the session in which the report was made first, however
// often the repeat itself was lost. Let a report of session 1 be repeated on session
// 2, and that be lost too. Then one of these is true:
//
//   - The repeat was written. The writer is session 2, so that token 1 is refused: the
//     value is there already. Where the service lost that write before it was durable,
//     the record is as before, and token 1 writes it.
//   - The repeat never came. The writer is still session 1, or nobody has written since
//     it began: token 1 writes it.
//   - Somebody else has written, before or after the repeat: token 1 is refused.
//
// The token of session 2 would be wrong: it also writes where somebody else wrote
// between the two sessions and the repeat never came. A value that the client reports
// on session 2 is a write of session 2, which supersedes the one in doubt, and is
// repeated with the token of session 2. A value that comes while there is no session
// counts as made in the one that was lost: it may have lain in the socket while
// another connection of the client went on.
type recovery struct {
	state   recoveryState
	session string // token of the current session, or else of the last
	origin  string // token of the session in which value was reported first
	value   int64  // the last that the client reported
}

// recoveryState is a state of recovery.
type recoveryState uint8

const (
	stateFresh     recoveryState = iota // never registered
	stateSettled                        // in a session; all that was reported is durable
	stateReported                       // in a session, in which the last value was reported
	stateRepeated                       // in a session, in which the last value was repeated
	stateLost                           // the session is lost; all that was reported is durable
	stateDoubt                          // the session is lost, and the last value may be
	stateLeft                           // as stateLost, and the client sends no more
	stateOwed                           // as stateDoubt, and the client sends no more
	stateOver                           // nothing is left to do
	stateAbandoned                      // nothing is done any more; the last value may be lost

	recoveryStates = iota
)

// recoveryEvent is what happens to a session.
type recoveryEvent uint8

const (
	eventRegistered recoveryEvent = iota // the service registered the client on a new stream
	eventReported                        // the client reported a value
	eventCommitted                       // all reports on the stream are durable
	eventBroken                          // the stream, or an attempt to open one, failed
	eventEnded                           // the client was seen to have sent EOF: it may still read
	eventGone                            // the client was seen to have reset its connection
	eventGaveUp                          // no more attempts will be made

	recoveryEvents = iota
)

// next returns the state that follows s after e. It is not ok where e cannot happen
// in s.
func (s recoveryState) next(e recoveryEvent) (_ recoveryState, ok bool) {
	switch s {
	case stateFresh:
		switch e {
		case eventRegistered:
			return stateSettled, true
		case eventBroken, eventEnded:
			return stateFresh, true // who sent an ID and EOF waits for the value
		case eventGone, eventGaveUp:
			return stateOver, true
		}
	case stateSettled, stateReported, stateRepeated:
		// What the client does is no matter while the session stands: what it sent
		// is processed in any case.
		switch e {
		case eventReported:
			return stateReported, true
		case eventCommitted:
			return stateSettled, true
		case eventEnded, eventGone:
			return s, true
		case eventBroken:
			if s == stateSettled {
				return stateLost, true
			}
			return stateDoubt, true
		case eventGaveUp:
			if s == stateSettled {
				return stateOver, true
			}
			return stateAbandoned, true
		}
	case stateLost, stateLeft:
		switch e {
		case eventRegistered:
			return stateSettled, s == stateLost // for whom else?
		case eventReported:
			if s == stateLeft {
				return stateOwed, true
			}
			return stateDoubt, true
		case eventBroken:
			return s, true
		case eventEnded:
			return stateLeft, true
		case eventGone, eventGaveUp:
			return stateOver, true
		}
	case stateDoubt, stateOwed:
		switch e {
		case eventRegistered:
			return stateRepeated, true
		case eventReported, eventBroken:
			return s, true
		case eventEnded:
			return stateOwed, true
		case eventGone, eventGaveUp:
			return stateAbandoned, true
		}
	case stateOver, stateAbandoned:
		switch e {
		case eventReported:
			return stateAbandoned, true
		case eventBroken, eventEnded, eventGone, eventGaveUp:
			return s, true
		}
	}
	return s, false
}

// unsaved reports whether the last value is not known to be durable.
func (s recoveryState) unsaved() bool {
	switch s {
	case stateReported, stateRepeated, stateDoubt, stateOwed, stateAbandoned:
		return true
	}
	return false
}

// happen takes an event that carries nothing.
func (r *recovery) happen(e recoveryEvent) {
	next, ok := r.state.next(e)
	if !ok {
		panic(fmt.Sprintf("legacytcp: event %d in state %d of a session", e, r.state))
	}
	r.state = next
}

// registered takes the token of a new session. Where there is a value in doubt,
// stateRepeated follows: it is to be repeated before anything else is sent.
func (r *recovery) registered(session string) {
	r.happen(eventRegistered)
	r.session = session
}

// reported takes a value of the client's.
func (r *recovery) reported(value int64) {
	r.happen(eventReported)
	r.value, r.origin = value, r.session
}

// canRepeat reports whether the service said how to repeat the last value. One that
// is older than such repeats does not, and would take it for a new one.
func (r *recovery) canRepeat() bool { return r.origin != "" }

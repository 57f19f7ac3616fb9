package legacytcp

import "fmt"

// recovery decides what to repeat after a stream was lost. It is a state machine: events
// come from the service, the client and the stream; next is its only transition function;
// and counting acts on the states. It holds no stream and makes no call.
//
// Its invariants, whatever is lost at which moment: a value is reported again only if it
// may not be durable, it never undoes what another session has written since, and nothing
// is requested or repeated for a client that has gone.
//
// # The token of a repeat
//
// The service writes a repeat with the token of session S only if S is the record's last
// writer, or if there was no write since S was registered. The right token is that of the
// session in which the value was first reported, however often the repeat itself is lost.
// Suppose that a report of session 1 is repeated in session 2, which is lost too. Then
// there are three cases:
//
//   - The repeat was written. The last writer is session 2, and token 1 is refused: the
//     value is there already. If the service lost that write before it was durable, the
//     record is as before, and token 1 writes the value.
//   - The repeat was not received. The last writer is session 1, or there was no write
//     since it began: token 1 writes the value.
//   - Another session has written, before or after the repeat: token 1 is refused.
//
// The token of session 2 would be wrong: it would also write if another session wrote
// between the two and the repeat was not received. A value that the client reports in
// session 2 is a write of session 2. It supersedes the value in doubt, and is repeated
// with the token of session 2. A value that arrives while there is no session belongs to
// the lost one: it may have been in the socket while another connection of the client
// continued.
type recovery struct {
	state   recoveryState
	session string // token of the current session, or of the last one
	origin  string // token of the session in which value was first reported
	value   int64  // the last that the client reported
}

// recoveryState is a state of recovery.
type recoveryState uint8

const (
	stateFresh     recoveryState = iota // never registered
	stateSettled                        // in a session; all reports are durable
	stateReported                       // in a session; the last value was reported in it
	stateRepeated                       // in a session; the last value was repeated in it
	stateLost                           // the session is lost; all reports are durable
	stateDoubt                          // the session is lost; the last value may be lost
	stateLeft                           // as stateLost, and the client sends no more
	stateOwed                           // as stateDoubt, and the client sends no more
	stateOver                           // nothing is left to do
	stateAbandoned                      // nothing more is done; the last value may be lost

	recoveryStates = iota
)

// recoveryEvent is an event of a session.
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

// next returns the state that follows s after e. ok is false if e cannot happen in s.
func (s recoveryState) next(e recoveryEvent) (_ recoveryState, ok bool) {
	switch s {
	case stateFresh:
		switch e {
		case eventRegistered:
			return stateSettled, true
		case eventBroken, eventEnded:
			return stateFresh, true // a client that sent an ID and EOF waits for the value
		case eventGone, eventGaveUp:
			return stateOver, true
		}
	case stateSettled, stateReported, stateRepeated:
		// While the session is open, the state of the client does not matter: what it
		// sent is processed in any case.
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
			return stateSettled, s == stateLost // only then is anybody registered
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

// unsaved reports whether the last value may not be durable.
func (s recoveryState) unsaved() bool {
	switch s {
	case stateReported, stateRepeated, stateDoubt, stateOwed, stateAbandoned:
		return true
	}
	return false
}

// happen processes an event without data.
func (r *recovery) happen(e recoveryEvent) {
	next, ok := r.state.next(e)
	if !ok {
		panic(fmt.Sprintf("legacytcp: event %d in state %d of a session", e, r.state))
	}
	r.state = next
}

// registered processes eventRegistered with the token of the session. If the last value
// is in doubt, stateRepeated follows: it must be repeated before anything else is sent.
func (r *recovery) registered(session string) {
	r.happen(eventRegistered)
	r.session = session
}

// reported processes eventReported with the value.
func (r *recovery) reported(value int64) {
	r.happen(eventReported)
	r.value, r.origin = value, r.session
}

// canRepeat reports whether the service has named the session of the last value. Without
// the name it would take a repeat for a new value.
func (r *recovery) canRepeat() bool { return r.origin != "" }

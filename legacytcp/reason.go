package legacytcp

// Reason says why a connection was closed. The set is small and fixed, fit for
// a metric's label.
type Reason string

// The reasons.
const (
	ReasonClient           Reason = "client_closed"      // the client closed or reset it, or it broke
	ReasonServed           Reason = "served"             // a request of the file dialect was answered
	ReasonShutdown         Reason = "shutdown"           // the gateway was shut down
	ReasonIdle             Reason = "idle"               // nothing came for IdleTimeout
	ReasonFirstByteTimeout Reason = "first_byte_timeout" // nothing ever came
	ReasonWriteTimeout     Reason = "write_timeout"      // the client read nothing for WriteTimeout
	ReasonBadFrames        Reason = "bad_frames"         // too many frames that are no requests
	ReasonFrameTooLong     Reason = "frame_too_long"     // a frame of the number dialect without an end
	ReasonBadID            Reason = "bad_id"             // a client ID that the service does not accept
	ReasonOverCapacity     Reason = "over_capacity"      // MaxConns others were open, none of them silent
	ReasonAddressCapacity  Reason = "address_capacity"   // so were MaxConnsPerAddress others of its address
	ReasonPressure         Reason = "pressure"           // silent for longest when a newcomer needed a place
	ReasonNotAllowed       Reason = "not_allowed"        // the client's address is not on the allow list
	ReasonUpstream         Reason = "upstream"           // the service failed, or was away for too long
	ReasonUpstreamLimit    Reason = "upstream_limit"     // the service takes no more sessions, perhaps of that ID
	ReasonPanic            Reason = "panic"              // a fault of the gateway; the log has the stack
)

// ending is how the serving of a connection ended.
type ending struct {
	reason Reason
	how    closing
	err    error // the cause, for the log; may be nil
}

// closing is what the client gets to see.
type closing uint8

const (
	closeNow closing = iota // EOF
	linger                  // EOF, by a client that is probably still sending
	reset                   // a reset, so that nobody takes what was sent for all
)

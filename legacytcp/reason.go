package legacytcp

// Reason is why a connection was closed. The set is small and fixed, so that it can be
// the label of a metric.
type Reason string

// The reasons.
const (
	ReasonClient           Reason = "client_closed"      // the client closed or reset it, or it failed
	ReasonServed           Reason = "served"             // a request of the file dialect was answered
	ReasonShutdown         Reason = "shutdown"           // the gateway was shut down
	ReasonIdle             Reason = "idle"               // nothing was received for IdleTimeout
	ReasonFirstByteTimeout Reason = "first_byte_timeout" // nothing was ever received
	ReasonWriteTimeout     Reason = "write_timeout"      // the client read nothing for WriteTimeout
	ReasonBadFrames        Reason = "bad_frames"         // too many invalid frames
	ReasonFrameTooLong     Reason = "frame_too_long"     // a frame of the number dialect without an end
	ReasonBadID            Reason = "bad_id"             // a client ID that the service does not accept
	ReasonOverCapacity     Reason = "over_capacity"      // MaxConns others were open, none of them silent
	ReasonAddressCapacity  Reason = "address_capacity"   // the same for MaxConnsPerAddress
	ReasonPressure         Reason = "pressure"           // silent longest when a new connection needed a place
	ReasonNotAllowed       Reason = "not_allowed"        // the client's address is not on the allow list
	ReasonUpstream         Reason = "upstream"           // the service failed, or was UNAVAILABLE for too long
	ReasonUpstreamLimit    Reason = "upstream_limit"     // the service accepts no more sessions, or none of that ID
	ReasonPanic            Reason = "panic"              // a bug in the gateway; the log has the stack
)

// ending is how a connection ended.
type ending struct {
	reason Reason
	how    closing
	err    error // the cause, for the log; may be nil
}

// closing is what the client sees of it.
type closing uint8

const (
	closeNow closing = iota // EOF
	linger                  // EOF, to a client that is probably still sending
	reset                   // a reset, so that an incomplete answer does not look complete
)

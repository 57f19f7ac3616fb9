package legacytcp

// presence is whether a client is still there, as far as that can be seen without
// reading from its connection.
type presence uint8

const (
	present    presence = iota
	halfClosed          // it sent EOF; it may still read
	gone                // it reset the connection, or is unreachable
)

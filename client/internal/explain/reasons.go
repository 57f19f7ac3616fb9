package explain

// reasons has the sentence for each reason of a Parity server. The functions get what the
// server says: the description of the invalid field, or else the message of the status.
var reasons = map[string]func(message string) string{
	"INTERNAL":      always("the server failed; its log has the cause"),
	"SHUTTING_DOWN": always("the server is shutting down; try again later"),
	"SEND_STALLED":  always("the server ended the call, because this client took no data for too long"),

	"CALL_RATE":        always("the server allows no more calls a second; try again later"),
	"REQUESTS_WAITING": always("the server ended the call, because too many requests of this client wait to be read; try again later"),

	// Who may call what.
	"CREDENTIALS_REQUIRED": always("the server requires a token (--token) or a client certificate (--tls-cert)"),
	"INVALID_TOKEN":        always("the server does not know the token of --token"),
	"UNKNOWN_CERTIFICATE":  always("the server does not know the certificate of --tls-cert"),
	"ROLE_REQUIRED":        always("permission denied by the server: it gives this client no role for the call"),
	"FILE_NOT_PERMITTED":   always("permission denied by the server"),

	// Files.
	"FILE_NOT_FOUND":        always("no such file"),
	"VERSION_MISMATCH":      always("the server has another version of the file by now"),
	"FILE_CHANGED":          always("the file changed on the server while it was read; run again"),
	"OFFSET_BEYOND_END":     always("the file on the server is shorter than expected; run again"),
	"DISK_UNAVAILABLE":      always("the server's disk does not answer; try again later"),
	"DIRECTORY_UNAVAILABLE": always("the server's directory does not exist at the moment; try again later"),
	"INVALID_NAME":          after("not a valid name of a file: "),
	"INVALID_PREFIX":        after("not a valid beginning of names: "),
	"INVALID_OFFSET":        after("not a valid offset: "),
	"INVALID_LIMIT":         after("not a valid limit: "),
	"INVALID_SOURCE":        after("not a valid source of a list: "),

	// Numbers.
	"INVALID_CLIENT_ID":    after("not a valid client ID: "),
	"INVALID_PARITY":       after("not a valid parity: "),
	"INVALID_SESSION":      after("not a session of this client: "),
	"TOO_MANY_SESSIONS":    after("too many sessions: "),
	"REGISTER_TIMEOUT":     always("the server ended the session, because the registration did not arrive in time"),
	"SESSION_IDLE":         always("the server ended the session, because nothing was sent for too long"),
	"REGISTER_UNAVAILABLE": always("the server's register does not work at the moment; try again later"),
	"NOT_COMMITTED":        always("the server has not stored the last values yet"),
	"NOT_REGISTERED":       after("the server expected something else: "),
	"ALREADY_REGISTERED":   after("the server expected something else: "),
	"EMPTY_REQUEST":        after("the server expected something else: "),

	// Lists.
	"INVALID_PAGE_SIZE":  after("not a valid size of a page: "),
	"INVALID_PAGE_TOKEN": always("the server does not know the page that it named; run again"),
}

func always(sentence string) func(string) string {
	return func(string) string { return sentence }
}

func after(prefix string) func(string) string {
	return func(message string) string { return prefix + message }
}

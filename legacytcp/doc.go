// Package legacytcp implements the two original raw TCP protocols of Parity, for
// programs in the field that cannot be changed. [Gateway] is the server side: it turns
// their bytes into calls of the NumberService and the FileService. It is given generated
// clients of both, which may call this process or another machine. [DialNumbers], [List]
// and [Fetch] are the client side.
//
// The rest of this page specifies the protocols. The transcripts below were recorded
// from the original programs; each line is one write. testdata has transcripts of the
// rules, and its README specifies their format, so that any program can play them against
// a server.
//
// # Number dialect
//
//	C> "3748"        client ID: decimal, and the original sends it WITHOUT a sentinel, then waits
//	S> "0 "          last value counted to (0: new client)
//	C> "1 "          every 500 ms: the value it has counted to
//	C> "2 "
//	C> "odd "        every 3–5 s: asks for an odd (or "even ") number, then waits
//	S> "57 "         the new increment
//	C> "59 "
//	C> EOF           or RST: the original closes its socket under its reader
//	C> "3748"        later, same client
//	S> "59 "         it goes on from where it was
//
// Grammar, where SP is the sentinel, one space (0x20):
//
//	session  = ( id end / id quiet ) *( request end / end )
//	id       = 1*63DIGIT
//	request  = "odd" / "even" / value
//	value    = [ "+" / "-" ] 1*DIGIT        ; fits int64
//	end      = SP / CR / LF
//	quiet    = 20 ms without another byte, or the client's EOF
//	replies  = number SP *( number SP )     ; without SP if the gateway is set to bare replies
//
// The ID is answered by the value that was last reported under it. A value is reported,
// and not answered. Each "odd" or "even" is answered by one number, in the order of the
// requests. The answers to one read are one write: "3 odd even " is answered by
// "79 90 ". (The original answered in reverse order, with nothing between the numbers.)
// CR and LF end a frame too, for people at a terminal; empty frames are skipped. Bytes
// may be split anywhere: "37" and "48 " is client 3748.
//
// If values arrive faster than 1,000 a second, newer ones replace older ones: the newest
// is reported as soon as the rate allows, before the next draw, and at the end.
//
//   - Skipped: a frame that is not a valid request. It is counted, and logged: quoted,
//     and cut at 64 bytes. This dialect has no error frame.
//   - Fatal: the 16th such frame of a connection; 64 bytes without an end; an ID
//     that the service does not accept.
//   - Ignored: a last frame without an end, because half a number is another number.
//
// When the client closes or resets the connection, the frames that have arrived are
// still processed. The gateway sends EOF after the reports have become durable.
//
// # Recovery
//
// If the service becomes UNAVAILABLE, the gateway checks the state of the client's
// connection, without reading from it:
//
//   - Open: the gateway registers the same ID again, repeats the last value if it may not
//     be durable, and repeats the draw that was not answered. The client notices a delay
//     of at most 30 s, or the end of the connection.
//   - Half-closed: the client may wait for the gateway's EOF, which says that all reports
//     are durable. Its draws are no longer answered. When its remaining values have been
//     read, the gateway registers again if the last of them may not be durable, and
//     repeats it.
//   - Reset: nothing is repeated, and no session registered.
//
// A repeated value names the session in which it was first reported
// (Report.repeats_session), and the service drops it if another session has written
// since. So it cannot undo what the client has reported through another server. The
// gateway repeats nothing to a service that does not name its sessions.
//
// A service that hangs has 30 s for each answer, and at most one second after its client
// has reset the connection. If the last report may not have become durable, the client
// gets a reset.
//
// # File dialect
//
// A connection has one request; the server closes it after the answer.
//
//	C> "list"              no sentinel
//	S> pickled Python list of str: the names in the cache, one write
//	C> "report.pdf"        a file name, no terminator, taken as the whole first read
//	S> the file's bytes, then EOF
//	S> "File not found"    exactly these 14 bytes, then EOF, if there is no such file
//
// Grammar:
//
//	request  = "list" quiet                 ; answered by a pickle
//	         / "list" SP quiet              ; answered by text, each name followed by SP
//	         / "list" ( CR / LF / CR LF )   ; answered by text, each name followed by LF
//	         / name [ SP / CR / LF / CR LF ]
//	name     = 1*1024OCTET                  ; UTF-8; spaces inside are valid
//
// A request that ends in a terminator is looked up without the terminator first, then
// with it, because that can be a name too. A first read that names an existing file is
// answered at once. Any other request is complete after the quiet: if it has grown, it
// is looked up again; otherwise there is no such file. A request that ends in CR, and the
// requests "list" and "list ", which may be the beginning of a name, wait for the quiet
// before the first lookup. So a name may be split anywhere, except where its beginning
// names another file.
//
// The list is in the order of FileService.List for SOURCE_CACHE. The pickle has
// protocol 3, which Python reads since 3.0, and is one write because the original client
// reads it with one recv(1024); the gateway sends longer lists too. In the text with
// spaces, all characters are percent-encoded except RFC 3986's unreserved ones and "/".
// In the lines, only control characters and bytes that are not UTF-8 are, so that no name
// breaks a line or a terminal.
//
//   - Answered by "File not found" (or the configured text): NOT_FOUND and
//     INVALID_ARGUMENT of the service, names that are not UTF-8, and requests of more
//     than 1,024 bytes and a terminator.
//   - Reset (SO_LINGER 0): every other failure, and every failure after the first byte. A
//     clean EOF would make half a file look complete.
//   - Ignored: bytes after the request. They are read, because the kernel answers unread
//     input with a reset, which can destroy the reply.
//   - Retried for up to 5 s: a call that ends in UNAVAILABLE before its first
//     response.
//
// # Which dialect
//
// On a port with both dialects, the first bytes decide: one or more ASCII digits followed
// by an end or a quiet begin the number dialect, anything else begins the file dialect.
// Files whose names are all digits, or begin with digits and a space, are available only
// on a port with the file dialect alone.
//
// # Limits
//
//	10 s        to send the first byte
//	5 min       between two reads of the number dialect
//	30 s        for a write to make progress, checked every 7.5 s: one byte that the
//	            kernel accepts is enough, whether the client reads it or not
//	16,384      connections, of which 12,288 from one address, or one IPv6 network of 64
//	            bits; addresses in trusted networks have no limit of their own
//	1,000       values a second of a session, after a burst of as many
//	5 s         for which a new connection waits for an UNAVAILABLE service
//	15 s        TCP keepalive, which the connections inherit from the listener
//
// A connection beyond a limit replaces the one that has been open longest without
// sending a byte. If there is none, it is closed at once.
//
// A list of address prefixes can restrict who is served. Every close has a [Reason],
// which is logged and counted. Events that anybody can cause without a call of a
// service, silent connections and invalid frames, get at most 50 log lines a second; the
// rest is summed up once a second.
package legacytcp

// Package legacytcp speaks the two original raw TCP protocols of Parity, for
// programs in the field that cannot be changed. [Gateway] is the server's half:
// it turns their bytes into calls of the NumberService and the FileService,
// which it is given as clients and which may be in this process or across a
// network. [DialNumbers], [List] and [Fetch] are the client's half.
//
// The rest of this page specifies the protocols. The transcripts were recorded
// from the original programs; each line is one write. Every rule below has a
// transcript in testdata that is replayed against the gateway.
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
// Grammar, where SP is the sentinel, one blank:
//
//	session  = ( id end / id quiet ) *( request end / end )
//	id       = 1*63DIGIT
//	request  = "odd" / "even" / value
//	value    = [ "+" / "-" ] 1*DIGIT        ; fits int64
//	end      = SP / CR / LF
//	quiet    = 20 ms without another byte, or the client's EOF
//	replies  = number SP *( number SP )     ; without SP if the gateway is set to bare replies
//
// A value is a report and is not answered. Of values that come faster than 1,000 a
// second, newer ones stand for older ones: the newest is reported as soon as the rate
// allows, before the next draw, and at the end. Each "odd" or "even" is answered by
// one number, in the order asked; so is the ID, by the value last reported under
// it. What one read brings is answered in one write: "3 odd even " by "79 90 ".
// (The original answered in reverse, with nothing between the numbers.) CR and
// LF end a frame too, for people at a terminal; empty frames are skipped. Bytes
// may be split anywhere: "37" and "48 " is client 3748.
//
//   - Skipped: a frame that is no request. It is logged, quoted and cut at 64
//     bytes, and counted. There is no error frame in this dialect.
//   - Fatal: the 16th such frame of a connection; 64 bytes without an end; an ID
//     that the service does not accept.
//   - Ignored: a last frame that the end of the connection cut off, since half a
//     number is another number.
//
// When the client closes or resets, what had arrived is still processed, and the
// gateway's own EOF comes after the reports have become durable.
//
// # Recovery
//
// If the service becomes UNAVAILABLE, the gateway looks whether the client is still
// there, without reading from it:
//
//   - It is. The gateway registers again with the same ID, repeats the last value if
//     it is not known to be durable, and the draw that is not answered yet. The client
//     notices a delay of at most 30 s, or its end.
//   - It has sent EOF, and may wait for the gateway's, which says that all is durable.
//     Its draws are not answered any more. When the rest of its values has been read,
//     the gateway registers again if the last of them is not known to be durable, and
//     repeats it.
//   - It has reset its connection. Nothing is repeated and nobody registered.
//
// A repeated value is never a new one: it names the session in which it was reported
// first (Report.repeats_session), and the service drops it where anybody else has
// written since. So it cannot undo what the client has counted to by another server,
// and two servers behind one gateway may come and go. A service that gives its
// sessions no names is repeated nothing.
//
// A service that hangs, so that nobody is told, has 30 s for each answer, and no longer
// than a second after its client has reset the connection. If the last report may not
// have become durable, the client gets a reset.
//
// # File dialect
//
// One request a connection; the server closes when it has answered.
//
//	C> "list"              no sentinel
//	S> pickled Python list of str: the names in the cache, one write
//	C> "report.pdf"        a file name, no terminator, taken as the whole first read
//	S> the file's bytes, then EOF
//	S> "File not found"    exactly these 14 bytes, then EOF, where there is none
//
// Grammar:
//
//	request  = "list" quiet                 ; answered by a pickle
//	         / "list" SP quiet              ; answered by text, each name followed by SP
//	         / "list" ( CR / LF / CR LF )   ; answered by text, each name followed by LF
//	         / name [ SP / CR / LF / CR LF ]
//	name     = 1*1024OCTET                  ; UTF-8; blanks inside are legal
//
// A request that ends in a terminator is looked up without it first, then as it
// stands, for there may be such a name. A first read that names an existing file
// is answered at once. Any other is complete after the quiet: then the whole of
// it is looked up, if it grew, and else there is no such file. A CR at the end,
// and the bare "list" and "list ", which may be the beginning of a name, wait
// for the quiet without a first look. So a name may be split anywhere but where
// its beginning names another file.
//
// The list is in the order of FileService.List for SOURCE_CACHE. The pickle has
// protocol 3, which Python reads since 3.0, and goes out in one write because
// the original client reads it with one recv(1024); more than that is its limit,
// not the gateway's. In the text with blanks all but RFC 3986's unreserved
// characters and "/" is percent-encoded. In the lines only control characters
// and bytes that are not UTF-8 are, so that no name breaks a line or a terminal.
//
//   - Answered "File not found" (or the text that the gateway is set to): what
//     the service calls NOT_FOUND or INVALID_ARGUMENT, names that are not UTF-8,
//     and requests of more than 1,024 bytes and a terminator.
//   - Reset (SO_LINGER 0): every other failure, and any after the first byte. A
//     clean EOF would make half a file look whole.
//   - Ignored: what comes after the request. It is read, so that the kernel does
//     not answer it with a reset that destroys the reply.
//   - Retried for up to 5 s: a call that ends in UNAVAILABLE before its first
//     response.
//
// # Which dialect
//
// On a port that speaks both, the first bytes tell: one or more ASCII digits
// followed by an end or a quiet begin the number dialect, anything else the file
// dialect. A file whose name is all digits, or begins with digits and a blank,
// can be had from a port that speaks the file dialect alone.
//
// # Limits
//
//	10 s        to send the first byte
//	5 min       between two reads of the number dialect
//	30 s        for a write to make progress, looked at every 7.5 s: one byte that the
//	            kernel takes is enough, whether the client reads it or not
//	16,384      connections, of which 12,288 from one address, or one IPv6 network of 64
//	            bits; addresses in trusted networks have no bound of their own
//	1,000       values a second of a session, and so many at once; of more, newer ones
//	            stand for older ones
//	5 s         for which a new connection waits for an UNAVAILABLE service
//	15 s        TCP keepalive, which the listener gives to its connections
//
// Who comes when all places are taken, or those of its address, gets the place of the
// one that has been connected for longest without sending a byte. If there is none it
// is closed at once.
//
// An allow list of address prefixes may narrow who is served at all. Every close
// has a [Reason], which is logged and counted. What anybody can cause without a service
// being called, connections that send nothing and frames that are no requests, has 50
// lines a second in the log; the rest is summed up once a second.
package legacytcp

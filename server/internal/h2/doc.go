// Package h2 bounds the memory that slow readers cost a gRPC server.
//
// grpc-go queues what a handler sends, 64 KiB plus one whole message for each stream, until
// the peer's flow-control windows let it go out. A handler cannot see these windows. If it
// gives up, its data and the status after it stay queued until the connection ends. So a
// Guard reads the HTTP/2 frames of every connection, above TLS, to know the peer's windows
// and what the server has queued. It passes the messages of a call to grpc-go only when the
// window has room for them. Then only the handler waits: it gets an error if its peer has
// stalled, and its status goes out at once.
//
//   - [Guard.Credentials] wraps every connection in a [Conn], which parses the frame headers
//     and a few payloads. It returns what it reads to grpc-go frame by frame, so the server
//     must be created with grpc.ReadBufferSize(0).
//   - [Guard.Tap] is called by grpc-go while it processes the HEADERS that were read last,
//     and so knows the stream of a call. It adds the [Stream] to the call's context as its
//     [flow.Window].
//   - [Guard.Unary] and [Guard.Stream] are interceptors that delay messages until there is
//     window for them.
//
// Memory is counted for each connection: reserved and queued bytes plus what grpc-go
// allocates for a message. Each connection has an allowance of its own (connAllowance). More
// comes from the process-wide account.
//
// Requests that have arrived and that no handler has read are counted too, with an allowance
// of their own (requestAllowance), because handlers may wait to send, and would read again if
// they could. If the account refuses more, the call of the connection with most unread bytes
// ends. So does a call whose request does not arrive in time.
//
// A Guard also closes connections that reset their calls as fast as they open them, and
// connections whose queued data makes no progress for lack of window.
package h2

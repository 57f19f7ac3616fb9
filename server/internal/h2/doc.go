// Package h2 keeps a gRPC server from being filled up by peers who do not read.
//
// grpc-go queues what a handler sends, 64 KiB and a whole message a stream, until the
// peer's flow-control windows let it go out; a handler sees nothing of these windows,
// and one that gives up leaves its data, and the status behind it, in the queue until
// the connection ends. So a Guard watches the HTTP/2 frames of each connection, above
// TLS, to know the windows as the peer has them, and what the server has queued. The
// messages of a call are handed to grpc-go only when there is window for them. What
// waits is then nothing but the handler, which can be told that its peer has stalled,
// and whose status goes out at once.
//
//   - [Guard.Credentials] puts a [Conn] around every connection: it parses the frames
//     that pass, 9 bytes each and a few payloads. It hands what it reads to grpc-go
//     frame by frame, so the server must be made with grpc.ReadBufferSize(0).
//   - [Guard.Tap] is called by grpc-go while it deals with the HEADERS that were read
//     last, and so knows which stream a call is. It puts the [Stream] into the call's
//     context as its [flow.Window].
//   - [Guard.Unary] and [Guard.Stream] are the interceptors that hold messages back.
//
// Memory is counted for each connection: what is reserved or queued, and what grpc-go
// adds to a message. A connection has ownShare of its own; more comes from the account
// of the process.
//
// A Guard also closes connections that reset their calls as fast as they open them,
// and connections where something that was queued does not go out for want of window.
package h2

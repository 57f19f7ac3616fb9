package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// stallTimeout is how long a server may be silent during a call before the connection
// counts as lost: a peer that vanished closes nothing.
const stallTimeout = 30 * time.Second

var (
	// errChanged means that the requested version is no longer current.
	errChanged = errors.New("the file changed on the server")
	// errChecksum means that bytes were damaged in transit.
	errChecksum = errors.New("wrong checksum")
	// errMixed means that the parts, each verified, are not of one file.
	errMixed = errors.New("the parts are not of one file")
	// errStalled means that the server became silent.
	errStalled = fmt.Errorf("nothing arrived for %v", stallTimeout)
)

// call is one call of FileService.Get: a range of one file.
type call struct {
	span    span // of the file; the request may ask for more than there is
	request *filesv1.GetRequest
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stream  grpc.ServerStreamingClient[filesv1.GetResponse]
	peer    peer.Peer            // set when the call has ended, if it was reached
	err     error                // why there is no stream
	first   *filesv1.GetResponse // once it has been received
	segment segment              // what has been received
	whole   *uint32              // the CRC-32C of the whole file, if the server has said it
}

func startCall(ctx context.Context, files filesv1.FileServiceClient, request *filesv1.GetRequest, s span) *call {
	c := &call{span: s, request: request}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.stream, c.err = files.Get(c.ctx, request, grpc.ForceCodecV2(newCodec(&c.segment)), grpc.Peer(&c.peer))
	return c
}

// end cancels the call, if it is in progress, and drops what it has received.
func (c *call) end() {
	c.cancel(nil)
	c.segment.free()
}

// reached reports, after an error, whether the call got as far as a server.
func (c *call) reached() bool { return c.peer.Addr != nil }

// head waits for the first response and returns its description of the file.
func (c *call) head() (*filesv1.File, error) {
	if c.first == nil {
		first, err := c.receiveOne()
		if err != nil {
			return nil, unexpected(err)
		}
		if first.GetFile() == nil {
			return nil, errors.New("the first response does not describe the file")
		}
		c.first = first
	}
	return c.first.GetFile(), nil
}

// receive waits for the whole range, checks it in every way there is, and returns it; it is
// valid until the call's end. It must be a range of the given file. arrived is called with
// the number of bytes of each response. goOn is called once, when half of the range is
// there: late enough to leave this range the bandwidth, early enough that the server is
// never without a request. Both may be nil.
func (c *call) receive(of *filesv1.File, arrived func(n int64), goOn func()) (*segment, error) {
	file, err := c.head()
	if err != nil {
		return nil, err
	}
	size := of.GetSizeBytes()
	if file.GetVersion() != of.GetVersion() || file.GetSizeBytes() != size {
		return nil, fmt.Errorf("asked for version %q of %d bytes, got version %q of %d",
			of.GetVersion(), size, file.GetVersion(), file.GetSizeBytes())
	}
	promised := min(c.request.GetLimit(), size-c.request.GetOffset())

	resp, seen := c.first, int64(0)
	for {
		if c.segment.size > promised {
			return nil, fmt.Errorf("promised %d bytes, got %d", promised, c.segment.size)
		}
		if arrived != nil {
			arrived(c.segment.size - seen)
			seen = c.segment.size
		}
		if goOn != nil && c.segment.size >= promised/2 {
			goOn()
			goOn = nil
		}
		if resp.Crc32C != nil {
			break
		}
		if resp, err = c.receiveOne(); err != nil {
			return nil, unexpected(err)
		}
	}
	if c.segment.size != promised {
		return nil, fmt.Errorf("promised %d bytes, got %d", promised, c.segment.size)
	}
	if c.segment.crc != resp.GetCrc32C() {
		return nil, fmt.Errorf("%w: the server says %08x, the bytes have %08x", errChecksum, resp.GetCrc32C(), c.segment.crc)
	}
	// Only the status tells that the server did not fail at the end.
	c.whole = resp.FileCrc32C
	switch _, err := c.receiveOne(); {
	case errors.Is(err, io.EOF):
		return &c.segment, nil
	case err == nil:
		return nil, errors.New("got more after the checksum")
	default:
		return nil, err
	}
}

// receiveOne waits for one response; its data goes to the segment. It returns
// io.EOF at the end of a call that succeeded.
func (c *call) receiveOne() (*filesv1.GetResponse, error) {
	resp, err := new(filesv1.GetResponse), c.err
	if err == nil {
		stall := time.AfterFunc(stallTimeout, func() { c.cancel(errStalled) })
		err = c.stream.RecvMsg(resp)
		stall.Stop()
	}
	switch {
	case err == nil:
		// Data that the codec has not taken, as from a service in this process.
		if data := resp.GetData(); len(data) > 0 {
			c.segment.add([][]byte{data}, nil)
		}
		return resp, nil
	case errors.Is(err, io.EOF):
		return nil, err
	case c.ctx.Err() != nil:
		return nil, context.Cause(c.ctx) // errStalled, or why the caller wants no more
	case status.Code(err) == codes.Aborted:
		return nil, fmt.Errorf("%w: %w", errChanged, err)
	}
	return nil, err
}

// unexpected returns the error of a call that ended too early, even with success.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the call ended without a checksum")
	}
	return err
}

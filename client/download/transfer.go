package download

import (
	"context"
	"fmt"
	"time"

	"example.com/parity/client/internal/backoff"
	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Variables, so that tests can use small files.
var (
	// maxSegment is how much is asked for in one call and held in memory until
	// its checksum is known, in bytes. Longer segments spend less time between
	// calls; this is as much as the client program lets a server send ahead.
	maxSegment int64 = 16 << 20
	// minSegment is what segments shrink to, by half each time a connection is
	// lost, so that a download gets on over one that never holds for long. It is
	// the most that a server sends in one response.
	minSegment int64 = 1 << 20
)

// transfer fetches one version of a file, in order, segment by segment. The order of its
// methods is begin, perhaps skip, copyTo, end.
type transfer struct {
	files filesv1.FileServiceClient
	name  string
	opts  Options

	file   *filesv1.File // what the server says of the version that is fetched
	offset int64         // everything before it has been written, or skipped
	from   int64         // where the writing began
	sum    uint32        // the CRC-32C of what has been written
	whole  *uint32       // the CRC-32C of the whole file, once the server has said it
	limit  int64         // how much to ask for next
	call   *call         // for the segment at offset, once it has been asked for
	ahead  *call         // for the segment after it, likewise
}

func newTransfer(files filesv1.FileServiceClient, name string, opts Options) *transfer {
	return &transfer{files: files, name: name, opts: opts, limit: maxSegment}
}

// begin requests the first segment and gets the description of the file. An unreachable
// server is an error at once: the address is probably wrong.
func (t *transfer) begin(ctx context.Context) error {
	reached := false
	for failures := 0; ; failures++ {
		t.call = t.ask(ctx, 0)
		file, err := t.call.head()
		if err == nil {
			t.file = file
			break
		}
		reached = reached || t.call.reached()
		t.end()
		if !reached {
			return err
		}
		if err := t.pause(ctx, failures, err); err != nil {
			return err
		}
	}
	size, version := t.file.GetSizeBytes(), t.file.GetVersion()
	if size < 0 || version == "" {
		return fmt.Errorf("the server describes the file as version %q of %d bytes", version, size)
	}
	return nil
}

// skip skips the bytes before offset.
func (t *transfer) skip(offset int64) {
	if offset > 0 {
		t.end()
		t.offset, t.from = offset, offset
	}
}

// copyTo calls write with one verified segment of the rest of the file after another. While
// write is busy with one, the server sends the next.
func (t *transfer) copyTo(ctx context.Context, write func(*segment) error) error {
	// An empty file has one segment too, which has a checksum.
	for first := t.offset == 0; first || t.offset < t.file.GetSizeBytes(); first = false {
		s, err := t.next(ctx)
		if err != nil {
			return err
		}
		if err := write(s); err != nil {
			return err
		}
		t.offset += s.size
		t.sum = combine(t.sum, s.crc, s.size)
		switch {
		case t.call.whole != nil:
			t.whole = t.call.whole
		case s.size == t.file.GetSizeBytes():
			sum := s.crc // of a range that is the whole
			t.whole = &sum
		}
		t.call.end()
		t.call, t.ahead = t.ahead, nil
	}
	return nil
}

// verify compares the checksum of the whole file with that of the server, if the server
// knows it, and reports whether it does. before returns the checksum of the skipped bytes.
// It is called only if needed, because it may have to read all of them.
func (t *transfer) verify(ctx context.Context, before func(ctx context.Context, n int64) (uint32, error)) (verified bool, err error) {
	if t.whole == nil {
		return false, nil
	}
	sum := t.sum
	if t.from > 0 {
		// The bytes on the disk, not those once written.
		if sum, err = before(ctx, t.from); err != nil {
			return false, err
		}
		sum = combine(sum, t.sum, t.offset-t.from)
	}
	if sum != *t.whole {
		return false, fmt.Errorf("%w: the server says %08x of the whole, its parts have %08x", errMixed, *t.whole, sum)
	}
	return true, nil
}

// next returns the verified segment at offset, after as many calls as necessary. It is
// valid until the end of t.call, which owns it.
func (t *transfer) next(ctx context.Context) (*segment, error) {
	for failures := 0; ; failures++ {
		if t.call == nil {
			t.call = t.ask(ctx, t.offset)
		}
		s, err := t.call.receive(t.file, t.opts, func(after int64) {
			t.ahead = t.ask(ctx, after)
		})
		if err == nil {
			t.limit = min(2*t.limit, maxSegment)
			return s, nil
		}
		t.end()
		if err := t.pause(ctx, failures, err); err != nil {
			return nil, err
		}
	}
}

// pause waits before the repetition of a call that has failed with err, after a number of
// earlier failures. It returns an error if a repetition is useless.
func (t *transfer) pause(ctx context.Context, failures int, err error) error {
	if failures == maxRetries || ctx.Err() != nil || !retriable(err) {
		return err
	}
	t.limit = max(t.limit/2, minSegment)
	wait := retryDelay(err, failures)
	t.opts.notice("%s; going on from byte %d in %v", terminal.Error(err), t.offset, wait.Round(time.Millisecond))
	return backoff.Wait(ctx, wait)
}

// ask starts the call for the segment at offset.
func (t *transfer) ask(ctx context.Context, offset int64) *call {
	return startCall(ctx, t.files, &filesv1.GetRequest{
		Name: t.name, Offset: offset, Limit: t.limit, Version: t.file.GetVersion(),
	})
}

// end cancels the calls in progress.
func (t *transfer) end() {
	for _, c := range []*call{t.call, t.ahead} {
		if c != nil {
			c.end()
		}
	}
	t.call, t.ahead = nil, nil
}

package download

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

// Variables, so that tests can use small files.
var (
	// usualSegment is how much is asked for in one call and held in memory until its checksum
	// is known, in bytes. A lost connection loses what has come of one or two segments. Longer
	// ones spend less time between calls.
	usualSegment int64 = 4 << 20
	// maxSegment is the same for the largest files, in bytes. It is as much as the client
	// program lets a server send ahead.
	maxSegment int64 = 16 << 20
	// minSegment is what segments shrink to, by half each time a connection is lost, so that a
	// download gets on over one that never holds for long, and by the number of connections,
	// in bytes. It is the most that a server sends in one response.
	minSegment int64 = 1 << 20
	// firstLook is the first segment of a file, in bytes. It holds most files, and is little
	// to throw away if there is no space for the others.
	firstLook int64 = 256 << 10
)

// segmentsOfLarge is how many segments a large file has at least: what a lost connection
// loses is a small part of it.
const segmentsOfLarge = 1024

// wholeTimeout bounds the wait for the checksum of the whole file at the end, which the
// server either knows or does not.
const wholeTimeout = 10 * time.Second

// transfer fetches one version of a file. The order of its methods is begin or describe,
// perhaps hold, run, result, end.
type transfer struct {
	files   filesv1.FileServiceClient
	name    string
	opts    Options
	file    *filesv1.File // what the server says of the version that is fetched
	segment int64         // how much to ask for in one call, at most
	ranges  *ranges       // what has been fetched
	first   *call         // for the beginning of the file, if that has been asked for
	put     put

	mu      sync.Mutex
	whole   *uint32 // the CRC-32C of the whole file, once the server has said it
	shown   int64   // verified or arrived
	active  int     // lanes with something to do
	failing int     // those of them that wait for their next attempt, or make it
	outage  Outage
}

// put takes a verified segment, which is valid until it returns.
type put func(ctx context.Context, offset int64, s *segment) error

func newTransfer(files filesv1.FileServiceClient, name string, opts Options) *transfer {
	return &transfer{files: files, name: name, opts: opts}
}

// begin requests the first bytes of the file, so many, and gets its description. An
// unreachable server is an error at once: the address is probably wrong.
func (t *transfer) begin(ctx context.Context, look int64) error {
	look = min(look, t.opts.Group.segment(look))
	l := t.lane(t.files, true)
	l.enter()
	defer l.leave()
	reached := false
	for failures := 0; ; failures++ {
		c, err := l.ask(ctx, span{0, look})
		if err != nil {
			return err
		}
		file, err := c.head()
		if err == nil {
			t.first = c
			l.recovered()
			if err := t.describe(file); err != nil || look > 1 {
				return err
			}
			_, err := c.receive(t.file, nil, nil) // only for the checksum: what is wrong shows again
			t.end()
			if err == nil {
				t.learn(c.whole)
			}
			return nil
		}
		reached = reached || c.reached()
		c.end()
		if !reached {
			return err
		}
		if err := l.pause(ctx, failures, err); err != nil {
			return err
		}
		look = max(look/2, 1)
	}
}

// stat gets the description of the file alone. The server does not read the file.
func (t *transfer) stat(ctx context.Context) error {
	within, cancel := context.WithTimeoutCause(ctx, stallTimeout, errStalled)
	defer cancel()
	resp, err := t.files.Stat(within, &filesv1.StatRequest{Name: t.name})
	switch {
	case status.Code(err) == codes.Unimplemented: // an older server
		return t.begin(ctx, 1)
	case within.Err() != nil:
		return context.Cause(within)
	case err != nil:
		return err
	}
	return t.describe(resp.GetFile())
}

func (t *transfer) describe(file *filesv1.File) error {
	size, version := file.GetSizeBytes(), file.GetVersion()
	if size < 0 || version == "" {
		return fmt.Errorf("the server describes the file as version %q of %d bytes", version, size)
	}
	t.file = file
	t.segment = t.opts.Group.segment(size)
	return nil
}

// hold says which pieces of the file are there already, and returns their bytes.
func (t *transfer) hold(pieces []piece) (bytes int64) {
	t.ranges = newRanges(t.file.GetSizeBytes(), pieces)
	t.shown = t.ranges.held()
	if len(pieces) > 0 {
		t.end()
	}
	t.opts.progress(t.shown, t.file.GetSizeBytes())
	return t.shown
}

// run calls put with each verified segment of the rest of the file, from several goroutines
// if there are several connections. While put is busy with one segment, the server sends
// the next.
func (t *transfer) run(ctx context.Context, put put) error {
	if t.ranges == nil {
		t.hold(nil)
	}
	t.put = put
	ctx, cancel := context.WithCancelCause(ctx)
	l := t.lane(t.files, true)
	if t.first != nil {
		// Before any other lane could take this range.
		l.call, t.first = t.first, nil
		l.call.span, _ = t.ranges.take(l.call.request.GetLimit())
	}
	var borrowed sync.WaitGroup
	borrowed.Go(func() { t.borrow(ctx, &borrowed, cancel) })
	err := l.run(ctx)
	cancel(err)
	borrowed.Wait()
	return err
}

// borrow runs a lane over each connection that the group can spare, as long as there is
// enough to do. It calls fail if a lane has found that the download must end.
func (t *transfer) borrow(ctx context.Context, lanes *sync.WaitGroup, fail context.CancelCauseFunc) {
	for {
		left, changed := t.ranges.left()
		if left < t.segment {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case files := <-t.opts.Group.spare:
			lanes.Go(func() {
				l := t.lane(files, false)
				switch err := l.run(ctx); {
				case err == nil || ctx.Err() != nil:
					t.opts.Group.giveBack(files)
				case l.fatal:
					fail(err)
				}
				// Otherwise the server does not serve over this connection; the others go on.
			})
		}
	}
}

// learn notes what the server says of the whole file.
func (t *transfer) learn(whole *uint32) {
	if whole != nil {
		t.mu.Lock()
		t.whole = whole
		t.mu.Unlock()
	}
}

// askWhole asks the server for the checksum of the whole file with a call for so many of
// its last bytes, if it has not said it. The server may not know it.
func (t *transfer) askWhole(ctx context.Context, last int64) (whole *uint32, err error) {
	if t.whole != nil {
		return t.whole, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wholeTimeout, errStalled)
	defer cancel()
	size := t.file.GetSizeBytes()
	c := t.start(ctx, t.files, span{size - min(last, size), 1})
	defer c.end()
	if _, err := c.receive(t.file, nil, nil); err != nil {
		return nil, err
	}
	t.learn(c.whole)
	return c.whole, nil
}

// result compares the checksum of the whole file with that of the server, if the server
// knows it, and describes the file.
func (t *transfer) result(ctx context.Context) (Result, error) {
	sum := t.ranges.sum()
	whole := t.whole
	if alone, ok := t.ranges.alone(); ok && whole == nil {
		whole = &alone // of a range that is the whole
	}
	if whole == nil {
		whole, _ = t.askWhole(ctx, 0) // each part has been verified
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
	}
	if whole != nil && sum != *whole {
		return Result{}, fmt.Errorf("%w: the server says %08x of the whole, its parts have %08x", errMixed, *whole, sum)
	}
	r := Result{Bytes: t.file.GetSizeBytes(), Version: t.file.GetVersion(), CRC32C: sum, Whole: whole != nil}
	if modified := t.file.GetModified(); modified.IsValid() {
		r.Modified = modified.AsTime()
	}
	return r, nil
}

func (t *transfer) start(ctx context.Context, files filesv1.FileServiceClient, s span) *call {
	return startCall(ctx, files, &filesv1.GetRequest{Name: t.name, Offset: s.offset, Limit: s.size, Version: t.file.GetVersion()}, s)
}

// end cancels the first call, if nobody has taken it.
func (t *transfer) end() {
	if t.first != nil {
		t.first.end()
		t.first = nil
	}
}

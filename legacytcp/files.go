package legacytcp

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	filesv1 "example.com/parity/gen/parity/files/v1"
)

const (
	maxName    = 1_024       // bytes of a file name, the service's limit
	maxRequest = maxName + 2 // and CR LF

	// maxBurst is how many bytes TCP sends before the first acknowledgement: ten segments
	// of an Ethernet.
	maxBurst = 14_600
)

// serveFile answers the request of a connection. Its first part has been read.
func (c *conn) serveFile() ending {
	tried := 0
	if req := c.in.unread(); len(req) <= maxRequest && !mayGoOn(req) {
		if e, ok := c.answer(req); ok {
			return e
		}
		tried = len(req)
	}
	if err := c.fillRequest(); err != nil {
		return c.readEnding(err, ReasonClient)
	}
	req := c.in.unread()
	switch {
	case len(req) > maxRequest:
		return c.answerNotFound(linger)
	case len(req) > tried:
		if e, ok := c.answer(req); ok {
			return e
		}
	}
	return c.answerNotFound(closeNow)
}

// mayGoOn reports whether more bytes would change the meaning of req, so that it must not
// be answered before the quiet.
func mayGoOn(req []byte) bool {
	return string(req) == "list" || string(req) == "list " || bytes.HasSuffix(req, []byte("\r"))
}

// fillRequest reads until the quiet, or until the request is too long.
func (c *conn) fillRequest() error {
	for len(c.in.unread()) <= maxRequest {
		if err := c.fill(c.g.limits.Quiet); isTimeout(err) || errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// answer answers req, unless the answer would be "not found": then ok is false.
func (c *conn) answer(req []byte) (e ending, ok bool) {
	name, end := cutEnd(req)
	if string(name) == "list" {
		return c.answerList(string(end)), true
	}
	e, ok = c.answerFile(name)
	if !ok && len(end) > 0 {
		e, ok = c.answerFile(req)
	}
	return e, ok
}

// cutEnd cuts one terminator off req.
func cutEnd(req []byte) (name, end []byte) {
	n := len(req)
	switch {
	case bytes.HasSuffix(req, []byte("\r\n")):
		n -= 2
	case n > 0 && isEnd(req[n-1]):
		n--
	}
	return req[:n], req[n:]
}

func (c *conn) answerNotFound(how closing) ending {
	if err := c.write([]byte(c.g.cfg.NotFound)); err != nil {
		return writeEnding(err)
	}
	return ending{reason: ReasonServed, how: how}
}

// answerFile sends the file of that name. ok is false if there is none.
func (c *conn) answerFile(name []byte) (e ending, ok bool) {
	if len(name) > maxName || !utf8.Valid(name) {
		// No file has such a name, and protobuf cannot encode a string that is not
		// UTF-8.
		return ending{}, false
	}
	stream, first, err := c.get(string(name))
	switch status.Code(err) {
	case codes.OK:
		return c.sendFile(stream, first), true
	case codes.NotFound, codes.InvalidArgument:
		return ending{}, false
	}
	return c.upstreamEnding(err), true
}

// get calls Get and returns its first response. It retries while the service is
// UNAVAILABLE.
func (c *conn) get(name string) (stream filesv1.FileService_GetClient, first *filesv1.GetResponse, err error) {
	c.watch.await(c, c.cancel)
	defer c.watch.answered()
	err = c.retry(c.g.limits.UpstreamWait, func() (err error) {
		if stream, err = c.g.cfg.Files.Get(c.ctx, &filesv1.GetRequest{Name: name}); err == nil {
			first, err = stream.Recv()
		}
		return err
	})
	return stream, first, err
}

// sendFile writes the data of each response as it arrives. Nothing is copied: the socket
// gets the bytes of the cache.
func (c *conn) sendFile(stream filesv1.FileService_GetClient, resp *filesv1.GetResponse) ending {
	for sent := 0; ; {
		if err := c.write(resp.GetData()); err != nil {
			return writeEnding(err)
		}
		sent += len(resp.GetData())
		complete := resp.Crc32C != nil
		var err error
		c.watch.await(c, c.cancel)
		resp, err = stream.Recv()
		c.watch.answered()
		switch {
		case errors.Is(err, io.EOF) && complete:
			return servedEnding(sent)
		case errors.Is(err, io.EOF):
			return c.upstreamEnding(errors.New("the service ended the file without its checksum"))
		case err != nil:
			return c.upstreamEnding(err)
		}
	}
}

// answerList sends the list of the cached files. The end of the request determines the
// format.
func (c *conn) answerList(end string) ending {
	names, err := c.list()
	if err != nil {
		return c.upstreamEnding(err)
	}
	var reply []byte
	switch end {
	case "":
		reply, err = pickleNames(names)
	case " ":
		reply = joinNames(names, isUnreserved, ' ')
	default:
		reply = joinNames(names, isPrintable, '\n')
	}
	if err != nil {
		return c.upstreamEnding(err)
	}
	if err := c.write(reply); err != nil {
		return writeEnding(err)
	}
	return servedEnding(len(reply))
}

// list returns the names of all files in the cache, page by page.
func (c *conn) list() (names []string, err error) {
	c.watch.await(c, c.cancel)
	defer c.watch.answered()
	req := &filesv1.ListRequest{Source: filesv1.Source_SOURCE_CACHE}
	for size := 0; size <= maxList; {
		var resp *filesv1.ListResponse
		if err := c.retry(c.g.limits.UpstreamWait, func() (err error) {
			resp, err = c.g.cfg.Files.List(c.ctx, req)
			return err
		}); err != nil {
			return nil, err
		}
		for _, f := range resp.GetFiles() {
			names = append(names, f.GetName())
			size += len(f.GetName())
		}
		if resp.GetNextPageToken() == "" {
			return names, nil
		}
		req = &filesv1.ListRequest{Source: req.GetSource(), PageToken: resp.GetNextPageToken()}
	}
	return nil, errListTooLong
}

// servedEnding returns the ending after a reply of sent bytes. Much of a long reply is
// still in the kernel, and a terminator that arrived after the close would destroy it. A
// short reply is in transit already, and lingering would cost more than the answer.
func servedEnding(sent int) ending {
	if sent > maxBurst {
		return ending{reason: ReasonServed, how: linger}
	}
	return ending{reason: ReasonServed}
}

// upstreamEnding resets, so that an incomplete answer does not look complete.
func (c *conn) upstreamEnding(err error) ending {
	return ending{reason: c.upstreamReason(err), how: reset, err: err}
}

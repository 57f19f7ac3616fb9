package legacytcp

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxBadFrames is the number of invalid frames after which a client must be speaking
	// another protocol.
	maxBadFrames = 16

	// drainTime is how long a session keeps reading at shutdown: enough for a full receive
	// buffer, and a bound for a client that never stops.
	drainTime = 100 * time.Millisecond
)

// errLost means that a client's last value may not be durable.
var errLost = errors.New("the last value may be lost")

// session is the number dialect on a [conn]: it parses frames, passes them to its
// [counting], and writes the replies. One goroutine does all of that in turn: read, handle
// every complete frame, write the replies, read again.
type session struct {
	*conn
	counting counting
	values   values

	replies []byte // to be written before the next read
	gone    bool   // a write failed: replies are dropped
	missed  error  // why a draw of a client that had sent EOF was not answered
	bad     int    // invalid frames
}

// serveNumbers serves a client whose first bytes are an ID. A bare ID is all of the
// unread input.
func (c *conn) serveNumbers() ending {
	first, state := c.in.next()
	switch state {
	case frameTooLong:
		return ending{reason: ReasonFrameTooLong}
	case frameIncomplete:
		first = c.in.take()
	}
	id, err := strconv.ParseInt(string(first), 10, 32)
	if err != nil {
		return ending{reason: ReasonBadID, err: err}
	}

	s := &session{conn: c, counting: counting{conn: c, id: int32(id)}}
	defer s.counting.drop()
	last, err := s.counting.begin()
	switch {
	case status.Code(err) == codes.InvalidArgument:
		return ending{reason: ReasonBadID, err: err}
	case err != nil:
		return s.failure(err)
	}
	s.reply(last)

	e := s.run()
	s.logMerged(true)
	if s.missed != nil {
		e = ending{reason: ReasonUpstream, err: s.missed}
	}
	if s.counting.recovery.state.unsaved() {
		e.how, e.err = reset, errors.Join(e.err, errLost)
	}
	return e
}

// run serves the client until it ends, and then makes its last value durable.
func (s *session) run() ending {
	e, failed := s.serve()
	if failed {
		return e
	}
	err := s.reportHeld()
	if err == nil {
		err = s.counting.finish()
	}
	if err != nil {
		e = ending{reason: s.upstreamReason(err), err: errors.Join(e.err, err)}
	}
	return e
}

// serve serves the client until it ends or the service fails.
func (s *session) serve() (e ending, failed bool) {
	var drainBy time.Time
	for {
		e, over, failed := s.handleFrames()
		if err := s.flush(); err != nil {
			return writeEnding(err), failed
		}
		if over {
			return e, failed
		}
		if s.g.isDraining() {
			if drainBy.IsZero() {
				drainBy = time.Now().Add(drainTime)
			}
			if time.Now().After(drainBy) {
				return ending{reason: ReasonShutdown, how: linger}, false
			}
		}
		s.logMerged(false)
		due, err := s.fillValues()
		if err != nil {
			return s.readEnding(err, ReasonIdle), false
		}
		if !due {
			continue
		}
		if err := s.reportHeld(); err != nil {
			return s.failure(err), true
		}
	}
}

// failure returns the ending of a session whose service failed.
func (s *session) failure(err error) ending { return ending{reason: s.upstreamReason(err), err: err} }

// handleFrames handles all complete frames that have been read. failed tells whether the
// service failed.
func (s *session) handleFrames() (e ending, over, failed bool) {
	for {
		frame, state := s.in.next()
		switch state {
		case frameIncomplete:
			return ending{}, false, false
		case frameTooLong:
			return ending{reason: ReasonFrameTooLong, how: linger}, true, false
		}

		var err error
		switch kind, value := parseRequest(frame); kind {
		case requestReport:
			err = s.takeValue(value)
		case requestEven:
			err = s.draw(drawEven)
		case requestOdd:
			err = s.draw(drawOdd)
		default:
			if s.badFrame(frame); s.bad == maxBadFrames {
				return ending{reason: ReasonBadFrames, how: linger}, true, false
			}
		}
		if err != nil {
			return s.failure(err), true, true
		}
	}
}

// draw answers a draw. If the session was lost after the client had sent EOF, the draw
// stays unanswered, and the remaining frames are still handled.
func (s *session) draw(req drawRequest) error {
	if err := s.reportHeld(); err != nil {
		return err
	}
	n, err := s.counting.draw(req)
	switch {
	case err == nil:
		s.reply(int64(n))
	case errors.Is(err, errClientEnded) && s.counting.recovery.state != stateAbandoned && s.counting.recovery.state != stateOver:
		s.missed = err
		return nil
	}
	return err
}

func (s *session) badFrame(frame []byte) {
	s.bad++
	s.g.cfg.Metrics.BadFrame()
	if !s.g.tally.ownLine("") {
		return
	}
	// A frame is always shorter than the 64 bytes that the log may show.
	s.g.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "legacy client sent a frame that is no request",
		slog.String("peer", s.peer), slog.Int("client_id", int(s.counting.id)), slog.String("frame", strconv.Quote(string(frame))))
}

func (s *session) reply(n int64) {
	s.replies = appendReply(s.replies, n, s.g.cfg.BareReplies)
}

// flush writes the replies. Only a client that does not read is an error: one that has
// disconnected, as the original does while it waits for a number, may have sent values
// that have not been read yet.
func (s *session) flush() error {
	if len(s.replies) == 0 || s.gone {
		return nil
	}
	err := s.write(s.replies)
	s.replies = s.replies[:0]
	if err != nil && !isTimeout(err) {
		s.gone = true
		return nil
	}
	return err
}

package messagelog

import (
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// maxStrangerLines is the maximum number of lines a second about calls of strangers, who
// cannot prove who they are: anybody can cause such lines, and thousands of them would
// rotate all others away. The old door has the same limit.
const maxStrangerLines = 50

// strangers sums up the calls beyond maxStrangerLines.
type strangers struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time // the beginning of the second that lines are counted in
	lines int
	more  map[codes.Code]int // calls that have no line yet
	timer *time.Timer        // logs more; nil: there is none
}

// ownLine reports whether a call that ended with that code gets a line of its own. Otherwise
// it is counted.
func (s *strangers) ownLine(code codes.Code) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.since) >= time.Second {
		s.since, s.lines = now, 0
	}
	if s.lines < maxStrangerLines {
		s.lines++
		return true
	}
	if s.more == nil {
		s.more = map[codes.Code]int{}
	}
	s.more[code]++
	if s.timer == nil {
		s.timer = time.AfterFunc(time.Second, s.flush)
	}
	return false
}

// flush logs the counts.
func (s *strangers) flush() {
	s.mu.Lock()
	more, timer := s.more, s.timer
	s.more, s.timer = nil, nil
	s.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	for code, n := range more {
		s.log.Warn("more calls without credentials", "code", code.String(), "calls", n)
	}
}

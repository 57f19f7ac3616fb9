package legacytcp

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// strangerLines is the maximum of log lines a second about events that anybody can cause
// without a call of a service. The rest is summed up: otherwise thousands of connections
// would rotate all older lines away.
const strangerLines = 50

// tally sums up the log lines beyond strangerLines.
type tally struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time // the beginning of the second that lines are counted in
	lines int
	more  map[Reason]int // counts that have not been logged yet; "" is bad frames
	timer *time.Timer    // logs more; nil: there is none
}

// ownLine reports whether an event gets a line of its own. Otherwise it counts it.
func (t *tally) ownLine(what Reason) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.since) >= time.Second {
		t.since, t.lines = now, 0
	}
	if t.lines < strangerLines {
		t.lines++
		return true
	}
	if t.more == nil {
		t.more = make(map[Reason]int)
	}
	t.more[what]++
	if t.timer == nil {
		t.timer = time.AfterFunc(time.Second, t.flush)
	}
	return false
}

// flush logs the counts.
func (t *tally) flush() {
	t.mu.Lock()
	more, timer := t.more, t.timer
	t.more, t.timer = nil, nil
	t.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	for what, n := range more {
		if what == "" {
			t.log.LogAttrs(context.Background(), slog.LevelInfo, "more legacy clients sent frames that are no requests", slog.Int("frames", n))
			continue
		}
		t.log.LogAttrs(context.Background(), slog.LevelInfo, "more legacy connections closed",
			slog.String("reason", string(what)), slog.Int("connections", n))
	}
}

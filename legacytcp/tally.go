package legacytcp

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// strangerLines is how many lines a second the log gets of what anybody can cause
// without a service being called. The rest are summed up, or connections that are
// opened by the thousand would turn the kept logs over.
const strangerLines = 50

// tally sums up the log lines beyond strangerLines.
type tally struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time // the beginning of the second that lines are counted in
	lines int
	more  map[Reason]int // what has not been logged yet; "" are bad frames
	timer *time.Timer    // logs it; nil: nothing waits
}

// ownLine reports whether something may have a line of its own. Else it is summed up.
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

// flush logs what has been summed up.
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

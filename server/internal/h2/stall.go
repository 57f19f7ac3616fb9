package h2

import "time"

// watchQueues schedules checkQueues. A handler that waits gives up after Timeout, which is
// earlier. The caller holds c.mu.
func (c *Conn) watchQueues() {
	c.watch = time.AfterFunc(c.guard.o.Timeout+c.guard.o.Timeout/2, c.checkQueues)
}

// checkQueues closes the connection if queued data has had no window since the last check
// and the peer has granted none. This happens to a message that is larger than its window.
func (c *Conn) checkQueues() {
	c.mu.Lock()
	busy, stuck := false, false
	for _, s := range c.streams {
		if len(s.queue) == 0 {
			continue
		}
		busy = true
		now := 1 + s.progress + c.progress // 0: never checked
		if c.window > 0 {
			now = 1 + s.progress
		}
		stuck = stuck || !s.canSend() && s.checked == now
		s.checked = now
	}
	switch {
	case c.closed || stuck:
	case busy:
		c.watchQueues()
	default:
		c.watch = nil
	}
	c.mu.Unlock()
	if stuck {
		c.closeFor(ReasonStalled)
	}
}

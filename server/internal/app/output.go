package app

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// maxOutput is how many bytes of messages wait while the operator's output hangs: some
	// hundred lines. As many again may be in the write that hangs.
	maxOutput = 64 << 10
	// outputTime is how long the end of the program waits for them. It is short: an output
	// that works takes less than a millisecond.
	outputTime = time.Second
)

// Output writes messages to the operator's terminal, pipe or journal, and never waits for
// it: a pager, a stopped terminal and a journal whose disk hangs do not read. Messages wait
// in memory then, and beyond maxOutput they are lost and counted. It is safe for concurrent
// use.
type Output struct {
	to   io.Writer
	wake chan struct{} // has a token when something waits
	done chan struct{} // closed when everything was written after Close

	mu      sync.Mutex
	waiting []byte
	lost    int // messages since the last one that was kept
	closed  bool
}

// NewOutput returns an Output that writes to to. The caller must call Close.
func NewOutput(to io.Writer) *Output {
	o := &Output{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// Write takes a message of whole lines. It never fails.
func (o *Output) Write(message []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.waiting)+len(message) > maxOutput {
		o.lost++
		return len(message), nil
	}
	o.tellLost()
	o.waiting = append(o.waiting, message...)
	o.signal()
	return len(message), nil
}

// tellLost adds a message about lost ones, in their place. The caller holds o.mu.
func (o *Output) tellLost() {
	if o.lost > 0 {
		o.waiting = fmt.Appendf(o.waiting, "server: %d messages are missing here: the output was not read\n", o.lost)
		o.lost = 0
	}
}

// signal wakes run. The caller holds o.mu.
func (o *Output) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run writes what waits. It hangs if the output does.
func (o *Output) run() {
	defer close(o.done)
	var writing []byte
	for closed := false; !closed; {
		<-o.wake
		for {
			if writing, closed = o.take(writing[:0]); len(writing) == 0 {
				break
			}
			o.to.Write(writing) //nolint:errcheck // there is nowhere to report it
		}
	}
}

// take returns what waits, and whether nothing will follow. spare is for reuse.
func (o *Output) take(spare []byte) (waiting []byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.tellLost()
	}
	waiting, o.waiting = o.waiting, spare
	return waiting, o.closed
}

// Close waits until the messages are written, for outputTime at most.
func (o *Output) Close() {
	o.mu.Lock()
	o.closed = true
	o.signal()
	o.mu.Unlock()
	select {
	case <-o.done:
	case <-time.After(outputTime):
	}
}

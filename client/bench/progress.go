package bench

import (
	"fmt"
	"io"
	"time"
)

const (
	progressInterval = 500 * time.Millisecond
	// clearLine clears the current line of a terminal.
	clearLine = "\r\x1b[K"
)

// show writes the text of line to w at intervals, until the returned function is called. A
// nil w shows nothing.
func show(w io.Writer, line func() string) (stop func()) {
	if w == nil {
		return func() {}
	}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprint(w, clearLine, line())
			case <-stopping:
				fmt.Fprint(w, clearLine)
				return
			}
		}
	}()
	return func() {
		close(stopping)
		<-stopped
	}
}

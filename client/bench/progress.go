package bench

import (
	"fmt"
	"io"
	"time"
)

const (
	progressInterval = 500 * time.Millisecond
	// clearLine begins a line of a terminal again.
	clearLine = "\r\x1b[K"
)

// show shows line's text on w, again and again, until the function that it
// returns is called. A nil w shows nothing.
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

package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"example.com/parity/client/internal/terminal"
)

// progress draws a bar of a download on a terminal; the zero value draws none.
type progress struct {
	w          io.Writer
	name       string
	bar        *progressbar.ProgressBar
	done, size int64 // as drawn
}

// update is a download.Options.Progress.
func (p *progress) update(done, size int64) {
	if size == 0 {
		return
	}
	// A bar goes forward only.
	if p.bar == nil || done < p.done || size != p.size {
		p.clear()
		p.bar = progressbar.NewOptions64(size,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription(terminal.Escape(p.name)),
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowCount(),
			progressbar.OptionShowTotalBytes(true),
			progressbar.OptionUseIECUnits(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	p.done, p.size = done, size
	_ = p.bar.Set64(done) // a bar that cannot be drawn is no loss
}

// clear removes the bar, to print a line of text.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

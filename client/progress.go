package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"example.com/parity/client/download"
	"example.com/parity/client/internal/terminal"
)

// redrawBars is how often bars are drawn.
const redrawBars = 200 * time.Millisecond

// display says on standard error how downloads get on: on a terminal with a bar for each,
// and lines above the bars. Its methods may be called concurrently.
type display struct {
	messages messages
	quiet    bool          // nothing but errors
	bars     *mpb.Progress // nil: no terminal

	mu      sync.Mutex // of what follows, and of writing without bars
	w       io.Writer
	outages int // of files
}

func newDisplay(p *program, quiet, toStdout bool) *display {
	d := &display{messages: p.messages, quiet: quiet, w: p.messages.w}
	d.messages.w = d
	if !quiet && terminal.Is(p.err) && (!toStdout || !terminal.Is(p.out)) {
		d.bars = mpb.New(mpb.WithConsoleWriter(console{cupwriter.New(p.err, false)}), mpb.WithRefreshRate(redrawBars))
	}
	return d
}

// Write writes whole lines, above the bars.
func (d *display) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bars != nil {
		if n, err := d.bars.Write(b); err == nil {
			return n, nil
		}
	}
	return d.w.Write(b)
}

// close ends the drawing, after the last bar has ended.
func (d *display) close() {
	if d.bars != nil {
		d.bars.Wait()
	}
}

// complain prints an error.
func (d *display) complain(err error, subject string) { d.messages.complain(err, subject) }

// note prints a line for people, unless they want it quiet.
func (d *display) note(format string, args ...any) {
	if !d.quiet {
		d.messages.note(fmt.Sprintf(format, args...))
	}
}

// done says that a download is complete. Where there are no bars, silence says so.
func (d *display) done(r download.Result) {
	if r.Identical {
		d.note("%s: skipped, identical to the server's file", r.Path)
		return
	}
	if d.bars == nil || r.Path == "" {
		return
	}
	all, checked := "", "checksum of each part right"
	if r.Resumed > 0 {
		all = size(r.Bytes) + ", of which " // in this run
	}
	if r.Whole {
		checked = "checksum right"
	}
	fetched := r.Bytes - r.Resumed
	d.note("%s: %s%s in %.1f s (%s/s), %s", r.Path, all, size(fetched), r.Elapsed.Seconds(),
		size(int64(float64(fetched)/max(r.Elapsed.Seconds(), 0.001))), checked)
}

// console is a terminal on which bars are drawn. It clears whole lines: the cursor need not
// be at the beginning of one, because the terminal itself shows ^C.
type console struct{ *cupwriter.Writer }

// Flush implements mpb.ConsoleWriter.
func (c console) Flush(lines int) error {
	err := c.Writer.Flush(lines)
	clearing := bytes.Clone(c.Bytes()) // for the next drawing: so many lines up
	c.Reset()
	c.WriteByte('\r')
	c.Write(clearing)
	return err
}

// begin returns the bar of a download.
func (d *display) begin(name string) *progressBar {
	return &progressBar{d: d, name: name}
}

// progressBar is the bar of one download. On no terminal it draws nothing, and an outage is
// a line when it begins and one when it ends.
type progressBar struct {
	d    *display
	name string
	bar  *mpb.Bar // once there is something to show

	mu     sync.Mutex
	meter  meter
	outage download.Outage
}

// progress is a download.Options.Progress.
func (b *progressBar) progress(done, of int64) {
	if b.d.bars == nil || of == 0 {
		return
	}
	b.mu.Lock()
	first := b.meter.began.IsZero()
	b.meter.set(time.Now(), done, of)
	b.mu.Unlock()
	if first && done > 0 && done < of {
		b.d.note("%s: resuming at %s", b.name, size(done))
	}
	if b.bar == nil {
		b.bar = b.d.bars.New(0, mpb.BarStyle(), // a bar of 0 does not end by itself
			mpb.PrependDecorators(decor.Name(shortName(b.name), decor.WCSyncWidthR)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return b.text(time.Now()) })),
			mpb.BarRemoveOnComplete(),
		)
	}
	b.bar.SetTotal(of, false)
	b.bar.SetCurrent(done)
}

// end removes the bar.
func (b *progressBar) end() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.bar.Wait()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outage.Err != nil {
		b.d.mu.Lock()
		b.d.outages--
		b.d.mu.Unlock()
	}
}

// outageState is a download.Options.Outage.
func (b *progressBar) outageState(state download.Outage) {
	b.mu.Lock()
	began, ended := b.outage.Err == nil && state.Err != nil, b.outage.Err != nil && state.Err == nil
	b.outage = state
	b.mu.Unlock()
	b.d.mu.Lock()
	switch {
	case began:
		b.d.outages++
		began = b.d.outages == 1 // an outage of the server concerns all files
	case ended:
		b.d.outages--
		ended = b.d.outages == 0
	}
	b.d.mu.Unlock()
	switch {
	case b.d.quiet || b.bar != nil:
	case began:
		b.d.complain(fmt.Errorf("%w; trying again", state.Err), b.name)
	case ended:
		b.d.note("going on after %s", duration(time.Since(state.Since)))
	}
}

// text is what is behind the bar.
func (b *progressBar) text(now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.outage.Err; err != nil {
		why, _, _ := strings.Cut(b.d.messages.server.Error(err, ""), " (") // without the advice
		if wait := b.outage.Retry.Sub(now); wait > time.Second/2 {
			return fmt.Sprintf("%s; next attempt in %d s", why, int(wait.Seconds()+0.5))
		}
		return why + "; trying again"
	}
	return b.meter.text(now)
}

// maxShortName is how many characters of a name are shown beside its bar.
const maxShortName = 30

// shortName returns the end of a name, which says more than its beginning.
func shortName(name string) string {
	runes := []rune(terminal.Escape(name))
	if len(runes) <= maxShortName {
		return string(runes)
	}
	return "…" + string(runes[len(runes)-maxShortName+1:])
}

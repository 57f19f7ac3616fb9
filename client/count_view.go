package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/parity/client/counter"
	"example.com/parity/client/internal/screen"
)

// countRecord is a line of JSON of the count command: one for each value, and one for each
// loss and return of the connection.
type countRecord struct {
	ClientID  int32 `json:"client_id"`
	Value     int64 `json:"value"`
	Increment int32 `json:"increment"`
	Confirmed int64 `json:"confirmed"` // the newest value that the server has stored
	Connected bool  `json:"connected"`
}

func clientName(id int32) string { return fmt.Sprintf("client ID: %d", id) }

// countLines shows the counting as lines: values on standard output, the rest on standard
// error.
type countLines struct {
	p      *program
	record countRecord
	began  bool
}

func newCountLines(p *program, id int32) *countLines {
	return &countLines{p: p, record: countRecord{ClientID: id}}
}

func (v *countLines) counted(value int64, increment int32) error {
	v.record.Value, v.record.Increment = value, increment
	return v.p.print(v.record, "%d", value)
}

func (v *countLines) confirmed(value int64) error {
	v.record.Confirmed = value
	return nil
}

func (v *countLines) connection(state counter.State) error {
	first := !v.began
	v.began = true
	lost := state.Err != nil && state.Attempts == 0 // later attempts say nothing new
	if state.Err == nil {
		v.record.Value, v.record.Increment, v.record.Confirmed = state.Start.Value, state.Start.Increment, state.Start.Value
	}
	v.record.Connected = state.Err == nil
	switch {
	case first:
		return nil
	case lost:
		v.p.complain(state.Err, "")
		v.p.note("reconnecting")
	case state.Err == nil:
		v.p.note(backAgain(state))
	default:
		return nil
	}
	if !v.p.json {
		return nil
	}
	return v.p.print(v.record, "")
}

func backAgain(state counter.State) string {
	return fmt.Sprintf("connected again after %s, going on from %d", duration(time.Since(state.Lost)), state.Start.Value)
}

// countLine shows the counting as one line of a terminal, which is rewritten in place.
type countLine struct {
	p    *program
	line *screen.Live
	done chan struct{} // closed to end the redrawing
	idle sync.WaitGroup

	mu     sync.Mutex
	record countRecord
	state  counter.State
	began  bool // whether a value of the server is known
}

// redraw is how often the line is rewritten while nothing happens: for the seconds until
// the next attempt.
const redraw = 500 * time.Millisecond

func newCountLine(p *program, id int32, line *screen.Live) *countLine {
	v := &countLine{p: p, line: line, done: make(chan struct{}), record: countRecord{ClientID: id}}
	v.draw()
	v.idle.Go(func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-v.done:
				return
			case <-tick.C:
				v.draw()
			}
		}
	})
	return v
}

// stop ends the redrawing.
func (v *countLine) stop() {
	close(v.done)
	v.idle.Wait()
	v.draw()
}

func (v *countLine) update(f func()) {
	v.mu.Lock()
	f()
	v.mu.Unlock()
	v.draw()
}

func (v *countLine) counted(value int64, increment int32) error {
	v.update(func() { v.record.Value, v.record.Increment = value, increment })
	return nil
}

func (v *countLine) confirmed(value int64) error {
	v.update(func() { v.record.Confirmed = value })
	return nil
}

func (v *countLine) connection(state counter.State) error {
	v.update(func() {
		v.state = state
		v.record.Connected = state.Err == nil
		if state.Err == nil {
			v.began = true
			v.record.Value, v.record.Increment, v.record.Confirmed = state.Start.Value, state.Start.Increment, state.Start.Value
		}
	})
	return nil
}

// disconnected shows that there is no session.
func (v *countLine) disconnected() {
	v.update(func() { v.state, v.record.Connected = counter.State{}, false })
}

func (v *countLine) draw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.line.Set(v.text(time.Now()))
}

// text is what the line shows. The value is first: the line may be cut off.
func (v *countLine) text(now time.Time) string {
	text := fmt.Sprintf("client %d", v.record.ClientID)
	if v.began {
		text += fmt.Sprintf("  %d  +%d  confirmed %d", v.record.Value, v.record.Increment, v.record.Confirmed)
	}
	switch err := v.state.Err; {
	case v.record.Connected:
		return text + "  connected"
	case err == nil:
		return text + "  not connected"
	default:
		wait := max(v.state.Retry.Sub(now), 0)
		why, _, _ := strings.Cut(v.p.server.Error(err, ""), " (") // without the advice
		return fmt.Sprintf("%s  lost for %s, retry in %d s: %s", text, duration(now.Sub(v.state.Lost)), int(wait.Seconds()+0.5), why)
	}
}

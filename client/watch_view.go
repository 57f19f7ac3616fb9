package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"example.com/parity/client/internal/screen"
	"example.com/parity/client/internal/table"
	"example.com/parity/client/internal/terminal"
)

// watchLines shows a line for each look.
type watchLines struct {
	c    *watchCommand
	p    *program
	lost bool
}

// show implements watchView.
func (v *watchLines) show(s *watchSample, err error) error {
	if err != nil {
		if !v.lost {
			v.p.complain(err, "")
		}
		v.lost = true
		return nil
	}
	v.lost = false
	return v.p.print(s, "%s  %s  cache: %s  numbers: %s%s  answer: %.1f ms", s.Time.Format(time.TimeOnly), s.Health,
		v.c.cache(s), s.numbers(), v.c.calls(s.Metrics), s.Answer)
}

// cache says what is in the cache.
func (c *watchCommand) cache(s *watchSample) string {
	if s.FilesError != "" {
		return s.FilesError
	}
	return c.cacheUse(s.Used, s.Capacity) + ", " + plural(s.Files, "file", s.More)
}

// numbers says what the clients do.
func (s *watchSample) numbers() string {
	if s.NumbersError != "" {
		return s.NumbersError
	}
	text := plural(s.Clients, "client", s.More) + ", " + plural(s.Sessions, "session", false)
	if r := s.Rates; r != nil {
		text += fmt.Sprintf(", %d active, values +%s/s", r.ActiveClients, rate(r.Counted))
	}
	return text
}

// calls says what the metrics add.
func (c *watchCommand) calls(m *watchMetrics) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf("  connections: %d gRPC, %d legacy  sent: %s/s%s", m.GRPCConnections, m.LegacyConnections,
		c.size(int64(m.Sent)), prefixed("  calls: ", ratesText(m.Calls)))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// ratesText lists rates by their names.
func ratesText(rates map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		parts = append(parts, fmt.Sprintf("%s %s/s", name, rate(rates[name])))
	}
	return strings.Join(parts, ", ")
}

// rate returns a number a second for people.
func rate(r float64) string {
	if r < 10 && r != math.Trunc(r) {
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

func plural(n int, what string, more bool) string {
	text := fmt.Sprintf("%d", n)
	if more {
		text = "more than " + text
	}
	if n != 1 {
		what += "s"
	}
	return text + " " + what
}

// watchScreen shows the last look on the whole terminal.
type watchScreen struct {
	*screen.Screen
	c *watchCommand
	p *program
}

func newWatchScreen(c *watchCommand, p *program, out *os.File) (*watchScreen, error) {
	in, _ := p.in.(*os.File)
	s, err := screen.Open(in, out)
	if err != nil {
		return nil, err
	}
	return &watchScreen{s, c, p}, nil
}

func (v *watchScreen) close() { v.Close() }

// onQuit has q and Ctrl-C call quit.
func (v *watchScreen) onQuit(quit func()) {
	v.Keys(func(key byte) {
		if key == 'q' || key == 'Q' || key == screen.CtrlC {
			quit()
		}
	})
}

// show implements watchView.
func (v *watchScreen) show(s *watchSample, err error) error {
	_, height := v.Size()
	return v.Draw(v.frame(s, err, time.Now(), height))
}

const (
	labelWidth = 12
	barWidth   = 20
	// frameLines is how many lines of a frame are no rows of its two tables.
	frameLines = 11
	// fewestRows is how many rows of each table are shown, however low the terminal is.
	fewestRows = 3
)

// frame returns the lines to show on a terminal of that height.
func (v *watchScreen) frame(s *watchSample, err error, now time.Time, height int) []screen.Line {
	state := screen.Line{Text: fmt.Sprintf("%s, answers in %.1f ms", s.Health, s.Answer), Color: terminal.Green}
	if s.Health != "serving" {
		state.Color = terminal.Red
	}
	if err != nil {
		state = screen.Line{Text: fmt.Sprintf("%s; the rest is %s old", v.p.server.Error(err, ""), duration(now.Sub(s.Time))), Color: terminal.Red}
	}
	row := func(label, text string) screen.Line {
		return screen.Line{Text: fmt.Sprintf("%-*s%s", labelWidth, label, text)}
	}
	cache := v.c.cache(s)
	if s.FilesError == "" {
		cache = bar(s.Used, s.Capacity) + " " + cache
	}
	lines := []screen.Line{
		{Text: fmt.Sprintf("%s  %s", v.p.flags.Addr, now.Format(time.TimeOnly)), Color: terminal.Bold},
		state,
		row("cache", cache),
		row("numbers", s.numbers()),
	}
	extra := 0
	if m := s.Metrics; m != nil {
		lines = append(lines,
			row("connections", fmt.Sprintf("%d gRPC, %d legacy; %s held for slow readers", m.GRPCConnections, m.LegacyConnections, v.c.size(m.HeldBytes))),
			row("sent", v.c.size(int64(m.Sent))+"/s"),
			row("calls", orNone(ratesText(m.Calls))+fmt.Sprintf("; failed %s/s", rate(m.Failed))),
			row("files", orNone(ratesText(m.Opens))),
		)
		extra = 4
	}
	rows := max((height-frameLines-extra)/2, fewestRows)
	lines = append(lines, screen.Line{}, screen.Line{Text: "newest clients", Color: terminal.Bold})
	lines = append(lines, v.clients(s, now, rows)...)
	lines = append(lines, screen.Line{}, screen.Line{Text: "newest files in the cache", Color: terminal.Bold})
	lines = append(lines, v.files(s, rows)...)
	if room := height - 1; len(lines) > room && room > 0 {
		lines = lines[:room]
	}
	return append(lines, screen.Line{Text: "q ends", Color: terminal.Dim})
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// bar draws how much is used.
func bar(used, capacity int64) string {
	full := 0
	if capacity > 0 {
		full = min(max(int(math.Ceil(barWidth*float64(used)/float64(capacity))), 0), barWidth)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

func (v *watchScreen) clients(s *watchSample, now time.Time, rows int) []screen.Line {
	var b strings.Builder
	t := table.New(&b, terminal.Style{},
		table.Column{Title: "ID", Right: true, Min: 6}, table.Column{Title: "VALUE", Right: true, Min: 12},
		table.Column{Title: "INCREMENT", Right: true}, table.Column{Title: "SESSIONS", Right: true},
		table.Column{Title: "DOOR", Min: 6}, table.Column{Title: "LAST SEEN"})
	for _, c := range s.Recent[:min(rows, len(s.Recent))] {
		t.Row(fmt.Sprint(c.ClientID), fmt.Sprint(c.LastValue), fmt.Sprint(c.LastNumber), fmt.Sprint(c.ActiveSessions), c.Door, when(c.LastSeen, now))
	}
	return tableLines(t, &b, rows)
}

func (v *watchScreen) files(s *watchSample, rows int) []screen.Line {
	var b strings.Builder
	t := table.New(&b, terminal.Style{}, table.Column{Title: "SIZE", Right: true, Min: 10}, table.Column{Title: "MODIFIED", Min: len(time.DateTime)}, table.Column{Title: "NAME"})
	for _, f := range s.Newest[:min(rows, len(s.Newest))] {
		t.Row(v.c.size(f.SizeBytes), localTime(f.Modified), f.Name)
	}
	return tableLines(t, &b, rows)
}

// tableLines returns the lines of a table, and empty ones up to its number of rows.
func tableLines(t *table.Table, b *strings.Builder, rows int) []screen.Line {
	_ = t.Flush() // a Builder takes everything
	var lines []screen.Line
	for line := range strings.Lines(b.String()) {
		lines = append(lines, screen.Line{Text: strings.TrimSuffix(line, "\n")})
	}
	lines[0].Color = terminal.Dim
	for len(lines) < rows+1 {
		lines = append(lines, screen.Line{})
	}
	return lines
}

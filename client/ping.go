package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// logService is the name of the server's log in its health service.
const logService = "parity.log"

// pingCommand measures round trips, and asks for the health of the server.
type pingCommand struct {
	Count    int           `short:"c" placeholder:"N" help:"Number of round trips; if left out, until interrupted."`
	Interval time.Duration `short:"i" default:"1s" placeholder:"DURATION" help:"Time from one to the next (${default})."`
	Timeout  time.Duration `short:"t" default:"5s" placeholder:"DURATION" help:"How long to wait for an answer (${default})."`
	Service  []string      `placeholder:"NAME" help:"A service that must be serving, besides the server as a whole. May be repeated."`
	Draw     bool          `help:"Draw a number in each round trip, not only a health check."`
}

// AfterApply implements command.
func (c *pingCommand) AfterApply() error {
	switch {
	case c.Count < 0:
		return errors.New("--count: must not be negative")
	case c.Interval <= 0:
		return errors.New("--interval: must be longer than nothing")
	case c.Timeout <= 0:
		return errors.New("--timeout: must be longer than nothing")
	}
	return nil
}

// pingRecord is a line of JSON for one round trip.
type pingRecord struct {
	Sequence     int               `json:"sequence"`
	Serving      bool              `json:"serving"` // the server as a whole, and every --service
	Milliseconds float64           `json:"milliseconds,omitempty"`
	Services     map[string]string `json:"services,omitempty"` // "" is the server as a whole
	Error        string            `json:"error,omitempty"`
	Reason       string            `json:"reason,omitempty"`
}

// pingSummary is the last line of JSON.
type pingSummary struct {
	Sent     int     `json:"sent"`
	Answered int     `json:"answered"`
	Serving  int     `json:"serving"`
	Min      float64 `json:"min_milliseconds"`
	Average  float64 `json:"average_milliseconds"`
	Max      float64 `json:"max_milliseconds"`
	Dev      float64 `json:"deviation_milliseconds"`
}

// Run implements command.
func (c *pingCommand) Run(ctx context.Context, p *program) error {
	if !p.json {
		if err := p.print(nil, "PING %s", p.flags.Addr); err != nil {
			return err
		}
	}
	tally := new(pingTally)
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for n := 1; c.Count == 0 || n <= c.Count; n++ {
		r, err := c.once(ctx, p, n)
		if ctx.Err() != nil { // what was interrupted does not count
			break
		}
		tally.add(r, err)
		if err := c.show(p, r, err); err != nil {
			return err
		}
		if n == c.Count {
			break
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := c.summarize(p, tally); err != nil {
		return err
	}
	switch {
	case tally.sent == 0:
		return context.Cause(ctx)
	case tally.last != nil:
		return tally.last
	case tally.serving < tally.sent:
		return fmt.Errorf("serving in %d of %d round trips only", tally.serving, tally.sent)
	}
	return nil
}

// once makes one round trip, and asks for the health of each service.
func (c *pingCommand) once(ctx context.Context, p *program, n int) (pingRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	health := healthv1.NewHealthClient(p.conn)
	r := pingRecord{Sequence: n}
	if n == 1 { // without the time to connect
		_, _ = health.Check(ctx, &healthv1.HealthCheckRequest{})
	}
	start := time.Now()
	whole, err := health.Check(ctx, &healthv1.HealthCheckRequest{})
	if c.Draw && err == nil {
		start = time.Now()
		_, err = numbersv1.NewNumberServiceClient(p.conn).Draw(ctx, &numbersv1.DrawRequest{})
	}
	took := time.Since(start)
	if err != nil {
		return r, err
	}
	r.Milliseconds = float64(took) / float64(time.Millisecond)
	r.Services = map[string]string{"": healthName(whole.GetStatus())}
	r.Serving = whole.GetStatus() == healthv1.HealthCheckResponse_SERVING
	for _, name := range c.services() {
		required := slices.Contains(c.Service, name)
		resp, err := health.Check(ctx, &healthv1.HealthCheckRequest{Service: name})
		switch {
		case status.Code(err) == codes.NotFound && !required: // another server has other services
			continue
		case status.Code(err) == codes.NotFound:
			r.Services[name] = "unknown"
		case err != nil:
			return r, err
		default:
			r.Services[name] = healthName(resp.GetStatus())
		}
		if required && resp.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			r.Serving = false
		}
	}
	return r, nil
}

// services are the names of the services that are asked for.
func (c *pingCommand) services() []string {
	names := []string{filesv1.FileService_ServiceDesc.ServiceName, numbersv1.NumberService_ServiceDesc.ServiceName, logService}
	for _, name := range c.Service {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func healthName(s healthv1.HealthCheckResponse_ServingStatus) string {
	return strings.ToLower(strings.ReplaceAll(s.String(), "_", " "))
}

// show prints one round trip.
func (c *pingCommand) show(p *program, r pingRecord, err error) error {
	if err != nil {
		why := p.server.Record(err, "")
		r.Error, r.Reason = why.Message, why.Reason
	}
	if p.json {
		return p.print(r, "")
	}
	if err != nil {
		return p.printColored(terminal.Red, "seq=%d %s", r.Sequence, r.Error)
	}
	color := terminal.Color("")
	if !r.Serving {
		color = terminal.Red
	}
	return p.printColored(color, "seq=%d time=%s ms  %s", r.Sequence, milliseconds(r.Milliseconds), c.health(r))
}

// health says which of the services are not serving.
func (c *pingCommand) health(r pingRecord) string {
	var bad []string
	for _, name := range c.services() {
		if state, asked := r.Services[name]; asked && state != "serving" {
			bad = append(bad, name+" "+state)
		}
	}
	text := r.Services[""]
	if len(bad) > 0 {
		text += ", but " + strings.Join(bad, ", ")
	}
	return text
}

func (c *pingCommand) summarize(p *program, t *pingTally) error {
	if p.json {
		return p.print(t.summary(), "")
	}
	s := t.summary()
	lines := []string{"", fmt.Sprintf("--- %s ---", p.flags.Addr), fmt.Sprintf("%d sent, %d answered, %d serving", s.Sent, s.Answered, s.Serving)}
	if s.Answered > 0 {
		lines = append(lines, fmt.Sprintf("round trip min/avg/max/dev = %s/%s/%s/%s ms", milliseconds(s.Min), milliseconds(s.Average), milliseconds(s.Max), milliseconds(s.Dev)))
		for _, name := range c.services() {
			if state, asked := t.services[name]; asked {
				lines = append(lines, fmt.Sprintf("%s: %s", name, state))
			}
		}
	}
	for _, line := range lines {
		if err := p.print(nil, "%s", line); err != nil {
			return err
		}
	}
	return nil
}

func milliseconds(ms float64) string { return fmt.Sprintf("%.3f", ms) }

// pingTally adds up round trips.
type pingTally struct {
	sent, answered, serving int
	min, max, sum, squares  float64
	services                map[string]string // of the last answer
	last                    error             // the last error, if there was no answer to the last
}

func (t *pingTally) add(r pingRecord, err error) {
	t.sent++
	t.last = err
	if err != nil {
		return
	}
	if r.Serving {
		t.serving++
	}
	if t.answered == 0 {
		t.min = r.Milliseconds
	}
	t.answered++
	t.min, t.max = min(t.min, r.Milliseconds), max(t.max, r.Milliseconds)
	t.sum += r.Milliseconds
	t.squares += r.Milliseconds * r.Milliseconds
	t.services = r.Services
}

func (t *pingTally) summary() pingSummary {
	s := pingSummary{Sent: t.sent, Answered: t.answered, Serving: t.serving, Min: t.min, Max: t.max}
	if n := float64(t.answered); n > 0 {
		s.Average = t.sum / n
		s.Dev = math.Sqrt(max(t.squares/n-s.Average*s.Average, 0))
	}
	return s
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/parity/client/internal/terminal"
)

// watchCommand shows what a server is doing.
type watchCommand struct {
	Interval time.Duration `short:"i" default:"2s" placeholder:"DURATION" help:"Time from one look at the server to the next (${default})."`
	Count    int           `short:"c" placeholder:"N" help:"Number of looks; if left out, until interrupted."`
	Metrics  string        `placeholder:"URL" help:"The server's metrics, such as http://localhost:9090/metrics: shows its calls and connections too."`
	bytesFlag
}

// AfterApply implements command.
func (c *watchCommand) AfterApply() error {
	if c.Count < 0 {
		return errors.New("--count: must not be negative")
	}
	if c.Interval < minWatchInterval {
		return fmt.Errorf("--interval: must be %v at least", minWatchInterval)
	}
	if err := checkMetricsURL(c.Metrics); err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	return nil
}

// minWatchInterval keeps a watch from being a load.
const minWatchInterval = 100 * time.Millisecond

// watchView shows one look after another. err is why there is none at the moment; then
// sample is the last one. It returns an error if it can show no more.
type watchView interface {
	show(sample *watchSample, err error) error
}

// Run implements command.
func (c *watchCommand) Run(ctx context.Context, p *program) error {
	var metrics *metricsReader
	if c.Metrics != "" {
		var err error
		if metrics, err = newMetricsReader(c.Metrics, p.flags.Token); err != nil {
			return err
		}
	}
	poller := newWatchPoller(p.conn, metrics)
	defer poller.close()
	sample, err := poller.poll(ctx)
	if err != nil {
		return err // the address is probably wrong
	}
	var view watchView = &watchLines{c: c, p: p}
	if out, ok := p.out.(*os.File); ok && terminal.Is(out) && !p.json && c.Count == 0 {
		screen, err := newWatchScreen(c, p, out)
		if err != nil {
			return err
		}
		defer screen.close()
		var quit context.CancelFunc
		ctx, quit = context.WithCancel(ctx)
		defer quit()
		screen.onQuit(quit)
		view = screen
	}
	tick := time.NewTicker(c.Interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		if err := view.show(sample, err); err != nil {
			return err
		}
		if n == c.Count {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var next *watchSample
		if next, err = poller.poll(ctx); err == nil {
			sample = next
		} else if ctx.Err() != nil {
			return nil
		}
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/units"
	"google.golang.org/grpc"

	"example.com/parity/client/bench"
	"example.com/parity/client/download"
	"example.com/parity/client/internal/terminal"
)

type benchCommand struct {
	Get         benchGetCommand         `cmd:"" help:"Download files."`
	Draw        benchDrawCommand        `cmd:"" help:"Draw numbers, one in each call."`
	Count       benchCountCommand       `cmd:"" help:"Draw numbers in counting sessions."`
	LegacyGet   benchLegacyGetCommand   `cmd:"" help:"Get files over the original protocol, one on each connection."`
	LegacyDraw  benchLegacyDrawCommand  `cmd:"" help:"Draw numbers over the original protocol, one connection for each client."`
	LegacyCount benchLegacyCountCommand `cmd:"" help:"Count as the original clients do, at their pace, and check the register at the end."`
}

// benchFlags are the flags of every load.
type benchFlags struct {
	Clients int           `default:"1" placeholder:"N" help:"Number of clients at a time (${default})."`
	For     time.Duration `default:"10s" placeholder:"DURATION" help:"Duration of the load (${default})."`
	PID     int           `name:"pid" placeholder:"PID" help:"Process ID of a server on this machine, on Linux: its memory and processor time are measured too."`
}

func (f *benchFlags) check() error {
	if f.Clients < 1 {
		return errors.New("--clients: must be 1 at least")
	}
	if f.For <= 0 {
		return errors.New("--for: must be longer than nothing")
	}
	return nil
}

// run runs load and prints the result.
func (f *benchFlags) run(ctx context.Context, load bench.Load, p *program) error {
	opts := bench.Options{Clients: f.Clients, For: f.For, PID: f.PID}
	if terminal.Is(p.err) {
		opts.Progress = p.err
	}
	result, err := bench.Run(ctx, load, opts)
	if err != nil {
		return err
	}
	if err := printResult(result, p.output); err != nil {
		return err
	}
	if result.Errors > 0 {
		return fmt.Errorf("errors: %d", result.Errors)
	}
	return nil
}

func printResult(result *bench.Result, out output) error {
	if out.json {
		return out.print(result, "")
	}
	for _, line := range result.Lines() {
		if err := out.print(nil, "%s", line); err != nil {
			return err
		}
	}
	return nil
}

type benchGRPCFlags struct {
	benchFlags
	Connections int `placeholder:"N" help:"Number of connections that the clients share; one for each client if left out."`

	perClient int // how many each client has, if they do not share them; 0 is 1
}

func (f *benchGRPCFlags) check() error {
	if f.Connections < 0 {
		return errors.New("--connections: must not be negative")
	}
	return f.benchFlags.check()
}

// run runs a load that newLoad creates for connections.
func (f *benchGRPCFlags) run(ctx context.Context, newLoad func([]grpc.ClientConnInterface) bench.Load, p *program) error {
	n := max(f.Clients, 1) * max(f.perClient, 1)
	if f.Connections > 0 {
		n = min(n, f.Connections)
	}
	conns := make([]grpc.ClientConnInterface, n)
	for i := range conns {
		conn, err := p.flags.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		conns[i] = conn
	}
	return f.benchFlags.run(ctx, newLoad(conns), p)
}

type benchFileFlags struct {
	File []string         `required:"" sep:"none" placeholder:"NAME" help:"The file to get. May be repeated: each client gets them in turn."`
	Rate units.Base2Bytes `placeholder:"SIZE" help:"Maximum bytes a second of one client, such as 256KiB (no limit)."`
}

func (f *benchFileFlags) checkRate() error {
	if f.Rate < 0 {
		return errors.New("--rate: must not be negative")
	}
	return nil
}

type benchGetCommand struct {
	benchGRPCFlags
	benchFileFlags
	Stub     bool   `xor:"how" help:"Use the generated client (the default)."`
	Download bool   `xor:"how" help:"Use the client of the get command."`
	Parallel int    `default:"1" placeholder:"N" help:"With --download: number of connections over which each client fetches ranges of a file (${default})."`
	To       string `placeholder:"DIR" help:"With --download: directory in which files are stored; they are removed again (nothing is stored)."`
}

// AfterApply implements command.
func (c *benchGetCommand) AfterApply() error {
	switch {
	case c.Parallel < 1 || c.Parallel > download.MaxLent:
		return fmt.Errorf("--parallel: must be 1 to %d", download.MaxLent)
	case !c.Download && c.Parallel > 1:
		return errors.New("--parallel: is for --download")
	case !c.Download && c.To != "":
		return errors.New("--to: is for --download")
	case c.Connections > 0 && c.Parallel > 1:
		return errors.New("--connections and --parallel: set one of them at most")
	}
	c.perClient = c.Parallel
	return cmp.Or(c.check(), c.checkRate())
}

// Run implements command.
func (c *benchGetCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Get{Conns: conns, Files: c.File, Rate: int64(c.Rate), Download: c.Download, Parallel: c.Parallel, To: c.To}
	}, p)
}

type benchDrawCommand struct{ benchGRPCFlags }

// AfterApply implements command.
func (c *benchDrawCommand) AfterApply() error { return c.check() }

// Run implements command.
func (c *benchDrawCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Draw{Conns: conns}
	}, p)
}

// benchIDFlag is the flag of loads with registered clients.
type benchIDFlag struct {
	FirstID int32 `name:"first-id" default:"0" placeholder:"ID" help:"ID of the first client (${default}); the others have the next ones."`
}

type benchCountCommand struct {
	benchGRPCFlags
	benchIDFlag
}

// AfterApply implements command.
func (c *benchCountCommand) AfterApply() error { return c.check() }

// Run implements command.
func (c *benchCountCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Count{Conns: conns, FirstID: c.FirstID}
	}, p)
}

type benchLegacyFlags struct {
	benchFlags
	Legacy string `default:"localhost:2004" placeholder:"HOST:PORT" help:"Address of the original protocols (${default})."`
}

type benchLegacyGetCommand struct {
	benchLegacyFlags
	benchFileFlags
}

// AfterApply implements command.
func (c *benchLegacyGetCommand) AfterApply() error {
	return cmp.Or(c.check(), c.checkRate())
}

// Run implements command.
func (c *benchLegacyGetCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, &bench.LegacyGet{Addr: c.Legacy, Files: c.File, Rate: int64(c.Rate)}, p)
}

type benchLegacyDrawCommand struct {
	benchLegacyFlags
	benchIDFlag
}

// AfterApply implements command.
func (c *benchLegacyDrawCommand) AfterApply() error { return c.check() }

// Run implements command.
func (c *benchLegacyDrawCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, &bench.LegacyDraw{Addr: c.Legacy, FirstID: c.FirstID}, p)
}

type benchLegacyCountCommand struct {
	benchLegacyFlags
	benchIDFlag
}

// AfterApply implements command.
func (c *benchLegacyCountCommand) AfterApply() error { return c.check() }

// Run implements command.
func (c *benchLegacyCountCommand) Run(ctx context.Context, p *program) error {
	return c.run(ctx, &bench.LegacyCount{Addr: c.Legacy, FirstID: c.FirstID}, p)
}

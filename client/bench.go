package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/units"
	"google.golang.org/grpc"

	"example.com/parity/client/bench"
	"example.com/parity/client/internal/terminal"
)

type benchCommand struct {
	Get         benchGetCommand         `cmd:"" help:"Download files."`
	Draw        benchDrawCommand        `cmd:"" help:"Draw numbers, one a call."`
	Count       benchCountCommand       `cmd:"" help:"Draw numbers in counting sessions."`
	LegacyGet   benchLegacyGetCommand   `cmd:"" help:"Get files in the original protocol, a connection for each."`
	LegacyDraw  benchLegacyDrawCommand  `cmd:"" help:"Draw numbers in the original protocol, a connection a client."`
	LegacyCount benchLegacyCountCommand `cmd:"" help:"Count as the original clients do, in their time, and check what the server has kept."`
}

// benchFlags are those of every load.
type benchFlags struct {
	Clients int           `default:"1" placeholder:"N" help:"How many clients there are at once (${default})."`
	For     time.Duration `default:"10s" placeholder:"DURATION" help:"How long they work (${default})."`
	PID     int           `name:"pid" placeholder:"PID" help:"The server's process ID, if it runs on this machine and that is a Linux: its memory and processor time are reported too."`
}

// run lets load loose, and prints what came of it.
func (f *benchFlags) run(ctx context.Context, load bench.Load, s streams, out output) error {
	if f.Clients < 1 {
		return usageError{errors.New("--clients: must be 1 at least")}
	}
	if f.For <= 0 {
		return usageError{errors.New("--for: must be longer than nothing")}
	}
	opts := bench.Options{Clients: f.Clients, For: f.For, PID: f.PID}
	if terminal.Is(s.err) {
		opts.Progress = s.err
	}
	report, err := bench.Run(ctx, load, opts)
	if err != nil {
		return err
	}
	if err := printReport(report, out); err != nil {
		return err
	}
	if report.Errors > 0 {
		return fmt.Errorf("errors: %d", report.Errors)
	}
	return nil
}

func printReport(report *bench.Report, out output) error {
	if out.json {
		return out.print(report, "")
	}
	for _, line := range report.Lines() {
		if err := out.print(nil, "%s", line); err != nil {
			return err
		}
	}
	return nil
}

type benchGRPCFlags struct {
	benchFlags
	Connections int `placeholder:"N" help:"How many connections the clients share; if left out, each has its own."`
}

// run is benchFlags.run for a load that newLoad makes of connections.
func (f *benchGRPCFlags) run(ctx context.Context, line *commandLine, newLoad func([]grpc.ClientConnInterface) bench.Load, s streams, out output) error {
	if f.Connections < 0 {
		return usageError{errors.New("--connections: must not be negative")}
	}
	n := max(f.Clients, 1)
	if f.Connections > 0 {
		n = min(n, f.Connections)
	}
	conns := make([]grpc.ClientConnInterface, n)
	for i := range conns {
		conn, err := line.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		conns[i] = conn
	}
	return f.benchFlags.run(ctx, newLoad(conns), s, out)
}

type benchFileFlags struct {
	File []string         `required:"" sep:"none" placeholder:"NAME" help:"The file to get. May be repeated: each client then gets one after the other."`
	Rate units.Base2Bytes `placeholder:"SIZE" help:"The most bytes a second that one client takes, such as 256KiB (no limit)."`
}

func (f *benchFileFlags) validate() error {
	if f.Rate < 0 {
		return usageError{errors.New("--rate: must not be negative")}
	}
	return nil
}

type benchGetCommand struct {
	benchGRPCFlags
	benchFileFlags
	Stub     bool `xor:"how" help:"With the client that is generated from the API (this is the default)."`
	Download bool `xor:"how" help:"With the client that the get command uses."`
}

func (c *benchGetCommand) Run(ctx context.Context, line *commandLine, s streams, out output) error {
	if err := c.validate(); err != nil {
		return err
	}
	return c.run(ctx, line, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Get{Conns: conns, Files: c.File, Rate: int64(c.Rate), Download: c.Download}
	}, s, out)
}

type benchDrawCommand struct{ benchGRPCFlags }

func (c *benchDrawCommand) Run(ctx context.Context, line *commandLine, s streams, out output) error {
	return c.run(ctx, line, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Draw{Conns: conns}
	}, s, out)
}

// benchIDFlag is for loads whose clients are registered.
type benchIDFlag struct {
	FirstID int32 `name:"first-id" default:"0" placeholder:"ID" help:"The ID of the first client (${default}); the others have those that follow."`
}

type benchCountCommand struct {
	benchGRPCFlags
	benchIDFlag
}

func (c *benchCountCommand) Run(ctx context.Context, line *commandLine, s streams, out output) error {
	return c.run(ctx, line, func(conns []grpc.ClientConnInterface) bench.Load {
		return &bench.Count{Conns: conns, FirstID: c.FirstID}
	}, s, out)
}

type benchLegacyFlags struct {
	benchFlags
	Legacy string `default:"localhost:2004" placeholder:"HOST:PORT" help:"Where the server speaks the original protocols (${default})."`
}

type benchLegacyGetCommand struct {
	benchLegacyFlags
	benchFileFlags
}

func (c *benchLegacyGetCommand) Run(ctx context.Context, s streams, out output) error {
	if err := c.validate(); err != nil {
		return err
	}
	return c.run(ctx, &bench.LegacyGet{Addr: c.Legacy, Files: c.File, Rate: int64(c.Rate)}, s, out)
}

type benchLegacyDrawCommand struct {
	benchLegacyFlags
	benchIDFlag
}

func (c *benchLegacyDrawCommand) Run(ctx context.Context, s streams, out output) error {
	return c.run(ctx, &bench.LegacyDraw{Addr: c.Legacy, FirstID: c.FirstID}, s, out)
}

type benchLegacyCountCommand struct {
	benchLegacyFlags
	benchIDFlag
}

func (c *benchLegacyCountCommand) Run(ctx context.Context, s streams, out output) error {
	return c.run(ctx, &bench.LegacyCount{Addr: c.Legacy, FirstID: c.FirstID}, s, out)
}

package main

import "context"

// helpCommand prints the help of a command, as --help after it does.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command; if left out, all commands."`
}

// Run implements command.
func (c *helpCommand) Run(ctx context.Context, p *program) error {
	return new(commandLine).run(ctx, append(c.Command, "--help"), p.streams)
}

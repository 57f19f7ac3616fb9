package main

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"strings"

	"example.com/parity/internal/version"
)

// scripts are the completion scripts: NAME is the program, FUNC a name for functions.
//
//go:embed completion
var scripts embed.FS

// completionCommand prints a completion script.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

var notInFunction = regexp.MustCompile(`[^A-Za-z0-9_]`)

// Run implements command.
func (c *completionCommand) Run(_ context.Context, p *program) error {
	script, err := scripts.ReadFile("completion/client." + c.Shell)
	if err != nil {
		return err
	}
	name := version.Program()
	function := "_" + notInFunction.ReplaceAllString(name, "_") + "_complete"
	text := strings.NewReplacer("_FUNC", function, "NAME", name).Replace(string(script))
	_, err = fmt.Fprint(p.out, text)
	return err
}

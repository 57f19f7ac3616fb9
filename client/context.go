package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/alecthomas/kong"

	"example.com/parity/client/internal/contexts"
	"example.com/parity/client/internal/table"
	"example.com/parity/client/internal/terminal"
)

// contextCommand manages contexts: names for servers.
type contextCommand struct {
	Add    contextAddCommand    `cmd:"" help:"Give a name to a server: to --addr and the other flags of the server that are set."`
	List   contextListCommand   `cmd:"" help:"Print the contexts."`
	Show   contextShowCommand   `cmd:"" help:"Print the flags of a context."`
	Use    contextUseCommand    `cmd:"" help:"Use a context wherever --context is not set."`
	Remove contextRemoveCommand `cmd:"" help:"Remove a context."`
}

// serverGroup is the group of the flags that a context holds.
const serverGroup = "Server"

// resolve is a kong.ResolverFunc: it sets the flags of the server that the command line does
// not set to those of the context. The context of --context goes before the environment;
// that of the environment, and the current one, after it.
func (line *commandLine) resolve(parsed *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Group == nil || flag.Group.Key != serverGroup || !usesContext(parsed) {
		return nil, nil
	}
	name, explicit := "", false
	for _, path := range parsed.Path {
		if path.Flag != nil && path.Flag.Name == "context" {
			name, explicit = fmt.Sprint(parsed.FlagValue(path.Flag)), true
		}
	}
	if !explicit {
		for _, env := range flag.Envs {
			if _, set := os.LookupEnv(env); set {
				return nil, nil
			}
		}
		name = os.Getenv("PARITY_CLIENT_CONTEXT")
	}
	if line.context == nil {
		line.context, line.contextErr = loadContext(name)
	}
	if value, ok := line.context[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}

// loadContext returns the context of a name, or the current one, or an empty one.
func loadContext(name string) (contexts.Context, error) {
	path, err := contexts.Path()
	if err != nil {
		if name == "" {
			return contexts.Context{}, nil // a user without a configuration directory
		}
		return nil, err
	}
	file, err := contexts.Load(path)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = file.Current
	}
	if name == "" {
		return contexts.Context{}, nil
	}
	return file.Get(name)
}

// usesContext reports whether a command gets the flags of a context: not those of
// contextCommand, which work with the flags that are set, and not those without a server.
// They also work when the current context is broken.
func usesContext(parsed *kong.Context) bool {
	return !slices.ContainsFunc(parsed.Path, func(path *kong.Path) bool {
		return path.Command != nil && slices.Contains([]string{"context", "help", "completion"}, path.Command.Name)
	})
}

// changeContexts loads the contexts, has f change them, and saves them.
func changeContexts(f func(*contexts.File) error) error {
	path, err := contexts.Path()
	if err != nil {
		return err
	}
	file, err := contexts.Load(path)
	if err != nil {
		return err
	}
	if err := f(file); err != nil {
		return err
	}
	return file.Save(path)
}

func loadContexts() (*contexts.File, error) {
	path, err := contexts.Path()
	if err != nil {
		return nil, err
	}
	return contexts.Load(path)
}

type contextAddCommand struct {
	Name  string `arg:"" help:"The name."`
	Force bool   `help:"Replace a context of this name."`
}

// AfterApply implements command.
func (c *contextAddCommand) AfterApply() error { return contexts.CheckName(c.Name) }

// Run implements command.
func (c *contextAddCommand) Run(_ context.Context, p *program) error {
	flags := contexts.Context{}
	for _, path := range p.parsed.Path {
		flag := path.Flag
		if flag == nil || path.Resolved || flag.Group == nil || flag.Group.Key != serverGroup {
			continue
		}
		value := fmt.Sprint(p.parsed.FlagValue(flag))
		if flag.PlaceHolder == "FILE" && value != "" { // it must lead to the same file from anywhere
			absolute, err := filepath.Abs(value)
			if err != nil {
				return err
			}
			value = absolute
		}
		flags[flag.Name] = value
	}
	if len(flags) == 0 {
		return usageError{errors.New("set --addr or another flag of the server: the context is to have it")}
	}
	return changeContexts(func(file *contexts.File) error {
		if _, exists := file.Contexts[c.Name]; exists && !c.Force {
			return fmt.Errorf("context %q exists; --force replaces it", c.Name)
		}
		file.Contexts[c.Name] = flags
		return nil
	})
}

type contextListCommand struct{}

// contextRecord is a line of JSON for one context.
type contextRecord struct {
	Name    string           `json:"name"`
	Current bool             `json:"current"`
	Flags   contexts.Context `json:"flags"`
}

// Run implements command.
func (*contextListCommand) Run(_ context.Context, p *program) error {
	file, err := loadContexts()
	if err != nil {
		return err
	}
	if len(file.Contexts) == 0 {
		p.note("no contexts; client context add NAME --addr HOST:PORT makes one")
		return nil
	}
	rows := table.New(p.out, p.style, table.Column{Title: "CURRENT"}, table.Column{Title: "NAME"}, table.Column{Title: "FLAGS"})
	for _, name := range file.Names() {
		c := file.Contexts[name]
		c = masked(c)
		if p.json {
			if err := p.print(contextRecord{name, name == file.Current, c}, ""); err != nil {
				return err
			}
			continue
		}
		current := table.Cell{}
		if name == file.Current {
			current = table.Cell{Text: "yes", Color: terminal.Green}
		}
		rows.Cells(current, table.Cell{Text: name}, table.Cell{Text: flagsText(c)})
	}
	if p.json {
		return nil
	}
	return rows.Flush()
}

// masked returns a context without its token, for screens and logs.
func masked(c contexts.Context) contexts.Context {
	c = maps.Clone(c)
	if _, ok := c["token"]; ok {
		c["token"] = "(hidden)"
	}
	return c
}

// flagsText returns the flags of a context as on a command line.
func flagsText(c contexts.Context) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if text != "" {
			text += " "
		}
		text += "--" + name + "=" + c[name]
	}
	return text
}

type contextShowCommand struct {
	Name string `arg:"" optional:"" help:"The name; the current context if left out."`
}

// Run implements command.
func (c *contextShowCommand) Run(_ context.Context, p *program) error {
	file, err := loadContexts()
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = file.Current
	}
	if name == "" {
		return errors.New("there is no current context; client context use NAME makes one current")
	}
	flags, err := file.Get(name)
	if err != nil {
		return err
	}
	flags = masked(flags)
	if p.json {
		return p.print(contextRecord{name, name == file.Current, flags}, "")
	}
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		if err := p.print(nil, "%-12s %s", "--"+flag, flags[flag]); err != nil {
			return err
		}
	}
	return nil
}

type contextUseCommand struct {
	Name string `arg:"" optional:"" help:"The name."`
	None bool   `help:"Use no context."`
}

// AfterApply implements command.
func (c *contextUseCommand) AfterApply() error {
	if (c.Name == "") != c.None {
		return errors.New("<name> and --none: set one of them")
	}
	return nil
}

// Run implements command.
func (c *contextUseCommand) Run(context.Context, *program) error {
	return changeContexts(func(file *contexts.File) error {
		if !c.None {
			if _, err := file.Get(c.Name); err != nil {
				return err
			}
		}
		file.Current = c.Name
		return nil
	})
}

type contextRemoveCommand struct {
	Name string `arg:"" help:"The name."`
}

// Run implements command.
func (c *contextRemoveCommand) Run(context.Context, *program) error {
	return changeContexts(func(file *contexts.File) error {
		if _, err := file.Get(c.Name); err != nil {
			return err
		}
		delete(file.Contexts, c.Name)
		if file.Current == c.Name {
			file.Current = ""
		}
		return nil
	})
}

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"example.com/parity/client/internal/shellwords"
	"example.com/parity/client/internal/terminal"
	filesv1 "example.com/parity/gen/parity/files/v1"
)

const (
	// completing is the first argument of the program when a completion script calls it. The
	// next is the shell. For bash the line, the cursor's place in it and COMP_WORDBREAKS
	// follow; for others the words up to the cursor, the last one perhaps empty.
	completing = "__complete"
	// completeTimeout bounds what a person waits for a completion.
	completeTimeout = time.Second
	// completePages bounds how many pages of names are fetched, of 1,000 each.
	completePages = 5
	// maxCompletions bounds how many words are printed.
	maxCompletions = 1000
)

// completionKind is the first line of the answer to a script: what the words after it are.
type completionKind string

const (
	completeWords   completionKind = "words"   // of the command line
	completeNames   completionKind = "names"   // of files, which may need quotes
	completeNoSpace completionKind = "nospace" // the same, and more may follow the word
	completeFiles   completionKind = "files"   // none: local files
	completeDirs    completionKind = "dirs"    // none: local directories
)

// completion is a word that the word at the cursor may become.
type completion struct{ word, help string }

// complete answers a completion script.
func complete(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s: no shell", completing)}
	}
	shell, words, skip := args[0], args[1:], 0
	if shell == "bash" {
		if len(words) != 3 {
			return usageError{fmt.Errorf("%s bash: %d arguments, want 3", completing, len(words))}
		}
		line := words[0]
		if point, err := strconv.Atoi(words[1]); err == nil && point >= 0 && point < len(line) {
			line = line[:point]
		}
		words, skip = shellwords.Split(line, words[2])
	}
	if len(words) < 2 { // the program, and the word at the cursor
		return nil
	}
	current := words[len(words)-1]
	c, err := newCompleter()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	kind, found := c.complete(ctx, words[1:len(words)-1], current)
	if shell == "bash" && (kind == completeFiles || kind == completeDirs) {
		_, path := splitFlag(current)
		found = []completion{{word: path}}
		skip = max(skip-(len(current)-len(path)), 0)
	}
	return printCompletions(out, shell, kind, found, skip)
}

// printCompletions prints the answer. bash gets words without the first skip bytes: those
// before its last word break.
func printCompletions(out io.Writer, shell string, kind completionKind, found []completion, skip int) error {
	var b strings.Builder
	fmt.Fprintln(&b, kind)
	for _, c := range found[:min(len(found), maxCompletions)] {
		switch {
		case terminal.Escape(c.word) != c.word: // nobody could type it
		case shell == "bash":
			fmt.Fprintln(&b, c.word[min(skip, len(c.word)):])
		case c.help != "":
			fmt.Fprintf(&b, "%s\t%s\n", c.word, c.help)
		default:
			fmt.Fprintln(&b, c.word)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// completer knows the command line.
type completer struct {
	parser *kong.Kong
	server []string // the flags before the cursor that say where the server is
}

func newCompleter() (*completer, error) {
	parser, err := new(commandLine).parser(streams{out: io.Discard, err: io.Discard}, func(int) {})
	return &completer{parser: parser}, err
}

// complete returns what the current word may become, after these.
func (c *completer) complete(ctx context.Context, before []string, current string) (completionKind, []completion) {
	node, flags := c.parser.Model.Node, slices.Clone(c.parser.Model.Flags)
	position, onlyArgs := 0, false
	var pending *kong.Flag // whose value is the next word
	for _, word := range before {
		switch {
		case pending != nil:
			c.remember(pending, word)
			pending = nil
		case word == "--" && !onlyArgs:
			onlyArgs = true
		case strings.HasPrefix(word, "-") && len(word) > 1 && !onlyArgs:
			name, value := splitFlag(word)
			flag := findFlag(flags, name)
			switch {
			case flag == nil:
			case name != word: // --name=value
				c.remember(flag, value)
			case flag.IsBool():
				c.remember(flag, "true")
			default:
				pending = flag
			}
		default:
			if child := findChild(node, word); child != nil && position == 0 {
				node = child
				flags = append(flags, child.Flags...)
			} else {
				position++
			}
		}
	}
	switch {
	case pending != nil:
		return c.values(ctx, node, pending.Value, pending.PlaceHolder, "", current)
	case strings.HasPrefix(current, "-") && !onlyArgs:
		if name, value := splitFlag(current); name != current {
			if flag := findFlag(flags, name); flag != nil {
				return c.values(ctx, node, flag.Value, flag.PlaceHolder, name+"=", value)
			}
			return completeWords, nil
		}
		return completeWords, flagCompletions(flags, current)
	case position == 0 && len(node.Children) > 0:
		return completeWords, commandCompletions(node, current)
	case node.Name == "help":
		return completeWords, c.helpCompletions(before, current)
	case len(node.Positional) > 0:
		arg := node.Positional[min(position, len(node.Positional)-1)]
		if position >= len(node.Positional) && !arg.IsSlice() {
			return completeWords, nil
		}
		return c.values(ctx, node, arg, "", "", current)
	}
	return completeWords, nil
}

// remember keeps a flag that says where the server is.
func (c *completer) remember(flag *kong.Flag, value string) {
	if flag.Name == "context" || flag.Group != nil && flag.Group.Key == serverGroup {
		c.server = append(c.server, "--"+flag.Name+"="+value)
	}
}

// values returns what the value of a flag or an argument may be, each behind prefix.
func (c *completer) values(ctx context.Context, node *kong.Node, of *kong.Value, placeHolder, prefix, current string) (completionKind, []completion) {
	var words []string
	kind := completeWords
	switch {
	case of.Enum != "":
		words = of.EnumSlice()
	case placeHolder == "FILE":
		return completeFiles, nil
	case placeHolder == "DIR":
		return completeDirs, nil
	case of.Name == "context" || node.Parent != nil && node.Parent.Name == "context" && node.Name != "add":
		if file, err := loadContexts(); err == nil {
			words = file.Names()
		}
	case of.Flag == nil && slices.Contains([]string{"get", "list", "stat"}, node.Name), of.Flag != nil && of.Name == "file":
		kind, words = c.names(ctx, current)
	}
	var found []completion
	for _, word := range words {
		if strings.HasPrefix(word, current) {
			found = append(found, completion{word: prefix + word})
		}
	}
	return kind, found
}

// names returns the names of the server's files that begin with current, up to the next
// directory.
func (c *completer) names(ctx context.Context, current string) (completionKind, []string) {
	line := new(commandLine)
	parser, err := line.parser(streams{out: io.Discard, err: io.Discard}, func(int) {})
	if err != nil {
		return completeNames, nil
	}
	if _, err := parser.Parse(append(slices.Clone(c.server), "draw")); err != nil || line.contextErr != nil {
		return completeNames, nil
	}
	conn, err := line.dial()
	if err != nil {
		return completeNames, nil
	}
	defer conn.Close()
	files := filesv1.NewFileServiceClient(conn)
	kind, seen, words, n := completeNames, map[string]bool{}, []string(nil), 0
	// After an error there are the names so far.
	_ = pages(ctx, func(ctx context.Context, token string) (string, error) {
		page, err := files.List(ctx, &filesv1.ListRequest{Source: filesv1.Source_SOURCE_DIRECTORY, Prefix: current, PageToken: token})
		if err != nil {
			return "", err
		}
		for _, f := range page.GetFiles() {
			word := f.GetName()
			if len(word) >= len(current) {
				if dir, _, found := strings.Cut(word[len(current):], "/"); found {
					word = word[:len(current)] + dir + "/"
				}
			}
			if !seen[word] {
				seen[word] = true
				words = append(words, word)
			}
		}
		if n++; n == completePages {
			return "", nil
		}
		return page.GetNextPageToken(), nil
	})
	if len(words) == 1 && strings.HasSuffix(words[0], "/") {
		kind = completeNoSpace
	}
	return kind, words
}

// splitFlag splits --name=value. Without a value the name is the whole word.
func splitFlag(word string) (name, value string) {
	if !strings.HasPrefix(word, "--") {
		return word, word
	}
	name, value, found := strings.Cut(word, "=")
	if !found {
		return word, word
	}
	return name, value
}

func findFlag(flags []*kong.Flag, word string) *kong.Flag {
	for _, f := range flags {
		if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

func findChild(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

func flagCompletions(flags []*kong.Flag, current string) []completion {
	var found []completion
	for _, f := range flags {
		if word := "--" + f.Name; !f.Hidden && strings.HasPrefix(word, current) {
			found = append(found, completion{word, f.Help})
		}
	}
	return found
}

func commandCompletions(node *kong.Node, current string) []completion {
	var found []completion
	for _, child := range node.Children {
		if !child.Hidden && strings.HasPrefix(child.Name, current) {
			found = append(found, completion{child.Name, child.Help})
		}
	}
	return found
}

// helpCompletions completes the command that help is about.
func (c *completer) helpCompletions(before []string, current string) []completion {
	node := c.parser.Model.Node
	for _, word := range before[slices.Index(before, "help")+1:] {
		if node = findChild(node, word); node == nil {
			return nil
		}
	}
	return commandCompletions(node, current)
}

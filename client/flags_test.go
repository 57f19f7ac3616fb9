package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// operations is the document with the table of the client's flags.
const operations = "../docs/operations.md"

var documentedFlag = regexp.MustCompile("`(?:client [^`]*)?--([a-z-]+)(?: ([A-Z:]+))?`")

// TestDocumentedFlags compares the section about the client with the program: it has all
// flags of the client as a whole, and every flag in it exists, with that placeholder.
func TestDocumentedFlags(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## The command-line client\n")
	if !found {
		t.Fatalf("%s has no section about the client", operations)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, m := range documentedFlag.FindAllStringSubmatch(section, -1) {
		documented[m[1]] = m[2]
	}

	parser, err := kong.New(new(commandLine), kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if _, ok := documented[flag.Name]; !ok && flag.Name != "version" {
			t.Errorf("--%s is not documented", flag.Name)
		}
	}
	flags := map[string]*kong.Flag{}
	nodes := []*kong.Node{parser.Model.Node}
	for len(nodes) > 0 {
		node := nodes[0]
		nodes = append(nodes[1:], node.Children...)
		for _, flag := range node.Flags {
			flags[flag.Name] = flag
		}
	}
	for name, placeholder := range documented {
		switch flag, ok := flags[name]; {
		case !ok:
			t.Errorf("--%s is documented but is no flag", name)
		case placeholder != "" && placeholder != flag.PlaceHolder:
			t.Errorf("--%s has the placeholder %q, want %q", name, placeholder, flag.PlaceHolder)
		}
	}
}

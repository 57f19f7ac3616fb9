package app

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// operations is the document with the tables of flags.
const operations = "../../../docs/operations.md"

// documentedFlag is a row of such a table.
type documentedFlag struct{ name, placeholder, env, def string }

var flagRow = regexp.MustCompile("(?m)^\\| `(--[a-z-]+)(?: ([^`]+))?` \\| `([A-Z_]+)` \\| (.*?) \\| .+ \\|$")

// documentedFlags returns the rows of the first table below a heading.
func documentedFlags(tb testing.TB, heading string) []documentedFlag {
	tb.Helper()
	data, err := os.ReadFile(operations)
	if err != nil {
		tb.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "\n"+heading+"\n")
	if !found {
		tb.Fatalf("%s has no heading %q", operations, heading)
	}
	section, _, _ = strings.Cut(section, "\n#")
	var rows []documentedFlag
	for _, m := range flagRow.FindAllStringSubmatch(section, -1) {
		rows = append(rows, documentedFlag{m[1], strings.ReplaceAll(m[2], `\|`, "|"), m[3], strings.Trim(m[4], "`")})
	}
	return rows
}

// TestDocumentedFlags compares the tables of flags in the documentation with the flags
// of the program: names, placeholders, environment variables and defaults.
func TestDocumentedFlags(t *testing.T) {
	parser, err := newParser(&commandLine{}, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for command, heading := range map[string]string{"serve": "### server [serve]", "gateway": "### server gateway"} {
		i := slices.IndexFunc(parser.Model.Children, func(n *kong.Node) bool { return n.Name == command })
		if i < 0 {
			t.Fatalf("no command %q", command)
		}
		documented := map[string]documentedFlag{}
		for _, row := range documentedFlags(t, heading) {
			if _, twice := documented[row.name]; twice {
				t.Errorf("%s: %s is documented twice", heading, row.name)
			}
			documented[row.name] = row
		}
		for _, flag := range parser.Model.Children[i].Flags {
			name := "--" + flag.Name
			if flag.Name == "help" {
				continue // below the tables, as --version
			}
			row, found := documented[name]
			delete(documented, name)
			switch {
			case !found:
				t.Errorf("%s: %s is not documented", heading, name)
			case !flag.IsBool() && row.placeholder != flag.PlaceHolder:
				t.Errorf("%s: %s has the placeholder %q, want %q", heading, name, row.placeholder, flag.PlaceHolder)
			case !slices.Contains(flag.Envs, row.env):
				t.Errorf("%s: %s has the variable %q, want %q", heading, name, row.env, flag.Envs)
			case !flag.IsBool() && flag.Default != "" && row.def != flag.Default:
				t.Errorf("%s: %s has the default %q, want %q", heading, name, row.def, flag.Default)
			case flag.Default == "" && row.def != "—" && row.def != "-" && !strings.Contains(flag.Help, "("+row.def+")"):
				t.Errorf("%s: %s has the default %q, which its help does not name: %s", heading, name, row.def, flag.Help)
			}
		}
		for name := range documented {
			t.Errorf("%s: %s is documented but is no flag", heading, name)
		}
	}
}

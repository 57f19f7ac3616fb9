package table

import (
	"strings"
	"testing"

	"example.com/parity/client/internal/terminal"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	table := New(&b, terminal.Style{}, Column{Title: "NAME"}, Column{Title: "SIZE", Right: true, Min: 6}, Column{Title: "NOTE"})
	table.Row("a", "1", "first")
	table.Row("日本", "22", "wide")
	table.Row("e\u0301", "333", "combined")
	table.Row("👧", "4", "emoji")
	table.Row("\x1b[2J\n", "5", "")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	table.Row("on the next page", "6666666", "wider")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
NAME         SIZE  NOTE
a               1  first
日本           22  wide
é             333  combined
👧              4  emoji
\x1b[2J\n       5
on the next page  6666666  wider
`, "\n")
	if b.String() != strings.ReplaceAll(want, "é", "e\u0301") {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}
}

func TestEmpty(t *testing.T) {
	var b strings.Builder
	table := New(&b, terminal.Style{}, Column{Title: "A"}, Column{Title: "B"})
	if err := table.Flush(); err != nil || b.String() != "A  B\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/parity/client/internal/terminal"
)

// table is rows of text, of which the first is the header.
type table [][]string

// table returns the matrix as it is printed, with the cases down and the rows across, and
// its footnotes.
func (m *matrix) table() (t table, notes []string) {
	header := []string{"case"}
	for _, col := range m.columns {
		header = append(header, col.row)
	}
	t = append(t, header)
	for i, c := range m.cases {
		line := []string{c.name}
		for _, col := range m.columns {
			text := "FAIL"
			if col.build == nil {
				text, notes = col.cells[i].text(notes)
			}
			line = append(line, text)
		}
		t = append(t, line)
	}
	return t, notes
}

// text returns what is printed for a cell. It adds the reason of an absence to the notes,
// if it is not there.
func (c cell) text(notes []string) (string, []string) {
	if c.err == nil {
		return "ok", notes
	}
	reason, ok := isAbsent(c.err)
	if !ok {
		return "FAIL", notes
	}
	reason = terminal.Escape(reason)
	n := slices.Index(notes, reason)
	if n < 0 {
		n = len(notes)
		notes = append(notes, reason)
	}
	return fmt.Sprintf("- (%d)", n+1), notes
}

// write prints the matrix, its footnotes, and the reasons of all failures.
func (m *matrix) write(w io.Writer, markdown bool) {
	t, notes := m.table()
	t.write(w, markdown)
	writeNotes(w, notes, markdown)
	for _, col := range m.columns {
		if col.build != nil {
			fmt.Fprintf(w, "FAIL %s: not built: %s\n", col.row, terminal.Error(col.build))
		}
		for i, cell := range col.cells {
			if _, ok := isAbsent(cell.err); cell.err != nil && !ok {
				fmt.Fprintf(w, "FAIL %s %s: %s\n", col.row, m.cases[i].name, terminal.Error(cell.err))
			}
		}
	}
}

// writeNotes prints footnotes.
func writeNotes(w io.Writer, notes []string, markdown bool) {
	if len(notes) > 0 {
		fmt.Fprintln(w)
	}
	for i, note := range notes {
		if markdown {
			fmt.Fprintf(w, "%d. %s\n", i+1, note)
		} else {
			fmt.Fprintf(w, "(%d) %s\n", i+1, note)
		}
	}
}

// write prints the table: for a terminal, in aligned columns, or as Markdown.
func (t table) write(w io.Writer, markdown bool) {
	for i, line := range t {
		if markdown {
			fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
			if i == 0 {
				fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(line)))
			}
			continue
		}
		var text strings.Builder
		for j, field := range line {
			text.WriteString(field)
			text.WriteString(strings.Repeat(" ", t.width(j)-utf8.RuneCountInString(field)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(text.String(), " "))
	}
}

// width returns the width of a column.
func (t table) width(column int) (width int) {
	for _, line := range t {
		width = max(width, utf8.RuneCountInString(line[column]))
	}
	return width
}

// Package table prints aligned tables to terminals and files. What it prints is safe: cells
// are escaped. Wide characters, such as those of Chinese or emoji, take the room that they
// have on a terminal.
package table

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"

	"example.com/parity/client/internal/terminal"
)

// Column is a column of a table.
type Column struct {
	Title string
	Right bool // whether cells are aligned at their right, as numbers are
	Min   int  // the least width, for columns whose width should not change from page to page
}

// gap is the room between two columns.
const gap = "  "

// Table prints rows below a header. It buffers rows until Flush, to know how wide the
// columns must be; columns never become narrower.
type Table struct {
	out     io.Writer
	style   terminal.Style
	columns []Column
	widths  []int
	rows    [][]Cell
	began   bool // whether the header has been printed
}

// Cell is the content of one field.
type Cell struct {
	Text  string
	Color terminal.Color // the zero value is the terminal's own
}

// New returns a table that prints to out.
func New(out io.Writer, style terminal.Style, columns ...Column) *Table {
	t := &Table{out: out, style: style, columns: columns, widths: make([]int, len(columns))}
	for i, c := range columns {
		t.widths[i] = max(c.Min, uniseg.StringWidth(c.Title))
	}
	return t
}

// Row adds a row of as many cells as there are columns.
func (t *Table) Row(cells ...string) {
	row := make([]Cell, len(cells))
	for i, text := range cells {
		row[i] = Cell{Text: text}
	}
	t.Cells(row...)
}

// Cells adds a row of cells with colors.
func (t *Table) Cells(cells ...Cell) {
	for i := range cells {
		cells[i].Text = terminal.Escape(cells[i].Text)
		t.widths[i] = max(t.widths[i], uniseg.StringWidth(cells[i].Text))
	}
	t.rows = append(t.rows, cells)
}

// Flush prints the header, the first time, and the rows that were added since the last
// Flush.
func (t *Table) Flush() error {
	var b strings.Builder
	if !t.began {
		t.began = true
		header := make([]Cell, len(t.columns))
		for i, c := range t.columns {
			header[i] = Cell{c.Title, terminal.Bold}
		}
		t.line(&b, header)
	}
	for _, row := range t.rows {
		t.line(&b, row)
	}
	t.rows = t.rows[:0]
	_, err := io.WriteString(t.out, b.String())
	return err
}

func (t *Table) line(b *strings.Builder, cells []Cell) {
	for i, c := range cells {
		room := strings.Repeat(" ", t.widths[i]-uniseg.StringWidth(c.Text))
		text := t.style.Paint(c.Color, c.Text)
		switch {
		case t.columns[i].Right:
			b.WriteString(room + text)
		case i == len(cells)-1:
			b.WriteString(text) // without blanks at the end of the line
		default:
			b.WriteString(text + room)
		}
		if last := len(cells) - 1; i < last-1 || i == last-1 && cells[last].Text != "" {
			b.WriteString(gap)
		}
	}
	b.WriteByte('\n')
}

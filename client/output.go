package main

import (
	"encoding/json"
	"fmt"
	"io"

	"example.com/parity/client/internal/terminal"
)

// output is where a command prints its results: as lines for people, or each as
// a JSON object on a line of its own.
type output struct {
	w    io.Writer
	json bool
}

// print prints one result in the form that was asked for: record, or the line
// of the format and its arguments.
func (o output) print(record any, format string, args ...any) error {
	line := ""
	if o.json {
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		line = terminal.EscapeJSON(string(text))
	} else {
		line = terminal.Escape(fmt.Sprintf(format, args...))
	}
	_, err := fmt.Fprintln(o.w, line)
	return err
}

package main

import (
	"encoding/json"
	"fmt"
	"io"

	"example.com/parity/client/internal/terminal"
)

// output prints the results of a command: as lines for people, or as one JSON object on
// each line.
type output struct {
	w    io.Writer
	json bool
}

// print prints one result: record as JSON, or the line of the format and its arguments.
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

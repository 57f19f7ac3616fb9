package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"example.com/parity/client/internal/explain"
	"example.com/parity/client/internal/terminal"
	"example.com/parity/internal/version"
)

// output prints the results of a command: as lines for people, or as one JSON object on
// each line.
type output struct {
	w     io.Writer
	json  bool
	style terminal.Style
}

// print prints one result: record as JSON, or the line of the format and its arguments.
func (o output) print(record any, format string, args ...any) error {
	return o.printRecord(record, "", format, args...)
}

// printColored prints a line for people in a color.
func (o output) printColored(c terminal.Color, format string, args ...any) error {
	return o.printRecord(nil, c, format, args...)
}

func (o output) printRecord(record any, c terminal.Color, format string, args ...any) error {
	line := ""
	if o.json {
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		line = terminal.EscapeJSON(string(text))
	} else {
		line = o.style.Paint(c, terminal.Escape(fmt.Sprintf(format, args...)))
	}
	_, err := fmt.Fprintln(o.w, line)
	return err
}

// messages prints what is not a result.
type messages struct {
	w      io.Writer
	asJSON bool
	server explain.Server
}

// complain prints an error about subject, which may be empty: as a sentence for people, or
// as an explain.Record.
func (m messages) complain(err error, subject string) {
	r := m.server.Record(err, subject)
	if errors.As(err, &usageError{}) {
		r.Reason = explain.ReasonUsage
	}
	if !m.asJSON {
		fmt.Fprintf(m.w, "%s: %s%s\n", version.Program(), r.Message, hint(err))
		return
	}
	if text, err := json.Marshal(r); err == nil {
		fmt.Fprintln(m.w, terminal.EscapeJSON(string(text)))
	}
}

// explained returns err with its sentence as its text, for packages that do not know the
// server's address.
func (m messages) explained(err error) error {
	if err == nil {
		return nil
	}
	return &explainedError{err, m.server.Error(err, "")}
}

type explainedError struct {
	err  error
	text string
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.err }

// note prints a line that is neither a result nor an error: nothing that a program needs.
func (m messages) note(text string) {
	if !m.asJSON {
		fmt.Fprintln(m.w, terminal.Escape(text))
	}
}

// hint says which help to read after a mistake in the command line.
func hint(err error) string {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return ""
	}
	command := version.Program()
	if node := parse.Context.Selected(); node != nil {
		command += " " + node.Path()
	}
	return fmt.Sprintf(" (see %s --help)", command)
}

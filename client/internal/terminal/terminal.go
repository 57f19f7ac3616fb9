// Package terminal makes untrusted text, such as file names and a server's error
// messages, safe to print: on a terminal a control character is a command.
package terminal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
	"google.golang.org/grpc/status"
)

// Is reports whether f, one of a program's standard streams, is a terminal.
func Is(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Error returns the text of err, escaped, without what grpc-go adds to a server's
// message.
func Error(err error) string {
	text := err.Error()
	var coded interface {
		error
		GRPCStatus() *status.Status
	}
	if errors.As(err, &coded) {
		s := coded.GRPCStatus()
		text = strings.Replace(text, coded.Error(), fmt.Sprintf("%s (%v)", s.Message(), s.Code()), 1)
	}
	return Escape(text)
}

// Escape returns s with all characters that are not printable escaped as in a Go string:
// control characters, directional overrides, line breaks, bytes that are not UTF-8.
func Escape(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if hidden(r) {
			quoted := strconv.Quote(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// EscapeJSON does the same with JSON text, without changing its meaning: such characters
// occur only in strings, where \u escapes are equivalent.
func EscapeJSON(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }

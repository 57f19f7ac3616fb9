// Package glob matches names of files on a server with patterns, as shells do: * is any
// text but "/", ? one character but "/", [a-z] one of these characters, {a,b} one of these
// texts, and ** any number of directories. A backslash makes the next character an
// ordinary one. A pattern that ends in "/" means everything below.
package glob

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// maxPrefix is how many bytes of a prefix a server takes: names are not longer.
const maxPrefix = 1024

// special are the characters with a meaning.
const special = `*?[{\`

// Pattern is a pattern of names. The zero value matches every name.
type Pattern struct {
	text   string
	prefix string
}

// Is reports whether text has a character with a meaning in patterns.
func Is(text string) bool { return strings.ContainsAny(text, special) }

// Parse returns the pattern with that text.
func Parse(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, nil
	case !utf8.ValidString(text):
		return Pattern{}, fmt.Errorf("%q: not UTF-8", text)
	}
	if strings.HasSuffix(text, "/") {
		text += "**"
	}
	if !doublestar.ValidatePattern(text) {
		return Pattern{}, fmt.Errorf("%q: not a valid pattern: a bracket or a brace is not closed, or \\ is the last character", text)
	}
	return Pattern{text: text, prefix: prefix(text)}, nil
}

// Prefix returns what every name that matches begins with, for ListRequest.prefix: a
// server then sends few names that do not match.
func (p Pattern) Prefix() string { return p.prefix }

// Match reports whether the pattern matches the whole name.
func (p Pattern) Match(name string) bool {
	// The library has "photos/**" match "photos" as well, which is not below photos.
	return p.text == "" || strings.HasPrefix(name, p.prefix) && doublestar.MatchUnvalidated(p.text, name)
}

// prefix returns the part of a pattern before its first character with a meaning.
func prefix(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		} else if strings.IndexByte(special, text[i]) >= 0 {
			break
		}
		b.WriteByte(text[i])
	}
	return shorten(b.String())
}

// shorten cuts a prefix at what a server takes, between two characters.
func shorten(prefix string) string {
	if len(prefix) <= maxPrefix {
		return prefix
	}
	cut := maxPrefix
	for !utf8.RuneStart(prefix[cut]) {
		cut--
	}
	return prefix[:cut]
}

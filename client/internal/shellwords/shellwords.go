// Package shellwords splits what is typed at bash up to the cursor, for completion.
package shellwords

import "strings"

// Split returns the words of the last command of a line, without quotes and backslashes.
// The last word is the one at the line's end: it is empty after a blank, and its quotes
// need not be closed.
//
// readline ends words at the characters of breaks too, unless they are quoted, and
// replaces only what is behind the last of them. skip is how many bytes of the last word
// are before that.
func Split(line, breaks string) (words []string, skip int) {
	const none = 0
	var word strings.Builder
	inWord, quote, escaped := false, byte(none), false
	end := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord, skip = false, 0
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`", rune(c)) {
				word.WriteByte('\\') // inside of "", it quotes these alone
			}
			word.WriteByte(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != none && c == quote:
			quote = none
		case quote != none:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n':
			end()
		case strings.IndexByte(";|&()", c) >= 0:
			end()
			words = nil
		default:
			word.WriteByte(c)
			inWord = true
			if (c == ':' || c == '=') && strings.IndexByte(breaks, c) >= 0 {
				skip = word.Len()
			}
		}
	}
	return append(words, word.String()), skip
}

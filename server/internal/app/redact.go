package app

import (
	"os"
	"regexp"
	"strings"
)

// userinfo matches what stands before the host in a URL, or in a mistyped one. A
// password may contain any character, so everything up to the last @ of the text counts
// as the password: it is better to hide too much.
var userinfo = regexp.MustCompile(`(?s)([A-Za-z]+://|redis[a-z]*[:/]+).*@`)

// redact returns text without the passwords of URLs in it.
func redact(text string) string { return userinfo.ReplaceAllString(text, "${1}REDACTED@") }

// redactedError is an error whose text has no passwords in it.
type redactedError struct{ error }

func (e redactedError) Error() string { return redact(e.error.Error()) }
func (e redactedError) Unwrap() error { return e.error }

// redacted hides passwords in the text of err, which may be nil.
func redacted(err error) error {
	if err == nil {
		return nil
	}
	return redactedError{err}
}

// tokenFlag is the flag whose value is a secret.
const tokenFlag = "--upstream-token"

// commandLineRedacted returns the program's command line without passwords and tokens.
func commandLineRedacted() []string { return redactArgs(os.Args) }

func redactArgs(args []string) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		switch {
		case i > 0 && args[i-1] == tokenFlag:
			safe[i] = "REDACTED"
		case strings.HasPrefix(arg, tokenFlag+"="):
			safe[i] = tokenFlag + "=REDACTED"
		default:
			safe[i] = redact(arg)
		}
	}
	return safe
}

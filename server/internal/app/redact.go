package app

import (
	"os"
	"regexp"
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

// commandLineRedacted returns the program's command line without passwords.
func commandLineRedacted() []string {
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = redact(arg)
	}
	return args
}

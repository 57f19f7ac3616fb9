package app

import (
	"os"
	"regexp"
)

// userinfo is what stands before the host in a URL, or in what was meant to be one.
// Whatever a password may contain, up to the last @ of the text it is taken for one:
// better too much.
var userinfo = regexp.MustCompile(`(?s)([A-Za-z]+://|redis[a-z]*[:/]+).*@`)

// redact returns a text without the passwords of URLs in it.
func redact(text string) string { return userinfo.ReplaceAllString(text, "${1}REDACTED@") }

// redactedError is an error whose text has no passwords in it.
type redactedError struct{ error }

func (e redactedError) Error() string { return redact(e.error.Error()) }
func (e redactedError) Unwrap() error { return e.error }

// redacted returns err as it may be shown, nil for nil.
func redacted(err error) error {
	if err == nil {
		return nil
	}
	return redactedError{err}
}

// commandLineRedacted is how the program was called, for operators to see.
func commandLineRedacted() []string {
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = redact(arg)
	}
	return args
}

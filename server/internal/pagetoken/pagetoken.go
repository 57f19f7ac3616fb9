// Package pagetoken encodes the page tokens of list methods.
//
// A token holds the position of the last element of a page. It is printable and opaque:
// callers pass it back as they received it.
package pagetoken

import (
	"encoding/base64"
	"strings"
)

// Kind is the list that a token continues. A token of one kind is invalid for any other.
// No kind is another one followed by a colon.
type Kind string

// Encode returns the token of the page after position, which must not be empty.
func (k Kind) Encode(position string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(k) + ":" + position))
}

// Decode returns the position in a token, or "" for the empty token, which asks for the
// first page. It reports false for every text that Encode does not return for this kind.
func (k Kind) Decode(token string) (position string, ok bool) {
	if token == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	position, ok = strings.CutPrefix(string(b), string(k)+":")
	// The decoder ignores line breaks and surplus bits: only the canonical text is valid.
	if !ok || position == "" || k.Encode(position) != token {
		return "", false
	}
	return position, true
}

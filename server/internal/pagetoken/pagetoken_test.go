package pagetoken

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for _, position := range []string{"0", "10000", "a/b c", "größe", "with:colon", "\xff\x00\n", strings.Repeat("x", 1024)} {
		token := Kind("directory").Encode(position)
		if got, ok := Kind("directory").Decode(token); got != position || !ok {
			t.Errorf("Decode(Encode(%q)) = %q, %v", position, got, ok)
		}
		for _, r := range token {
			if r <= ' ' || r > '~' {
				t.Errorf("Encode(%q) = %q, which is not printable", position, token)
			}
		}
		if got, ok := Kind("cache").Decode(token); ok {
			t.Errorf("a token of another kind: Decode(%q) = %q", token, got)
		}
	}
}

func TestFirstPage(t *testing.T) {
	if position, ok := Kind("client").Decode(""); position != "" || !ok {
		t.Errorf("Decode of the empty token = %q, %v, want the first page", position, ok)
	}
}

func TestInvalid(t *testing.T) {
	const kind = Kind("client")
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	token := kind.Encode("9") // 8 bytes: the last character has 2 surplus bits
	for name, token := range map[string]string{
		"no base64":        "%%%",
		"no kind":          raw("99"),
		"no colon":         raw("client99"),
		"no position":      raw("client:"),
		"another kind":     raw("clients:99"),
		"kind in capitals": raw("CLIENT:99"),
		"padded":           base64.URLEncoding.EncodeToString([]byte("client:9")),
		"line break":       token[:4] + "\n" + token[4:],
		"trailing space":   token + " ",
		"surplus bits":     token[:len(token)-1] + string(token[len(token)-1]+1),
		"cut off":          token[:5],
	} {
		if position, ok := kind.Decode(token); ok {
			t.Errorf("%s: Decode(%q) = %q, want it refused", name, token, position)
		}
	}
}

// FuzzDecode checks that a position has one token and that no other text is valid.
func FuzzDecode(f *testing.F) {
	f.Add(Kind("client").Encode("7"))
	f.Add("")
	f.Add("Y2xpZW50Ojc\n")
	f.Fuzz(func(t *testing.T, token string) {
		position, ok := Kind("client").Decode(token)
		if ok && token != "" && Kind("client").Encode(position) != token {
			t.Errorf("Decode(%q) = %q, whose token is %q", token, position, Kind("client").Encode(position))
		}
	})
}

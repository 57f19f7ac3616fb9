package numbers

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"example.com/parity/server/internal/register"
)

func TestSessionToken(t *testing.T) {
	for _, s := range []register.Session{{ID: 1}, {ID: math.MaxInt64, Revision: math.MaxInt64}, {ID: -5, Revision: 7}} {
		for _, client := range []int32{0, 7, math.MaxInt32} {
			token := encodeSession(client, s)
			if len(token) != tokenLength || tokenLength > 64 {
				t.Errorf("a token of %d bytes, want %d, and 64 at most", len(token), tokenLength)
			}
			if got, err := decodeSession(client, token); err != nil || got != s {
				t.Errorf("%+v of client %d comes back as %+v, %v", s, client, got, err)
			}
		}
	}
}

func TestSessionTokenRefused(t *testing.T) {
	token := encodeSession(7, register.Session{ID: 1234567890123, Revision: 5})
	refused := map[string]string{
		"another client's": encodeSession(8, register.Session{ID: 1234567890123, Revision: 5}),
		"no session":       encodeSession(7, register.Session{Revision: 5}),
		"a revision < 0":   encodeSession(7, register.Session{ID: 5, Revision: -1}),
		"a page token":     clientToken.Encode("7"),
		"trailing space":   token + " ",
		"padded":           token + "====",
		"a line break":     token[:tokenLength-1] + "\n",
		"a break inside":   token[:5] + "\n" + token[5:],
		"too short":        token[:tokenLength-1],
		"twice":            token + token,
		"all zeros":        strings.Repeat("A", tokenLength),
		"other base64":     strings.Repeat("+/", tokenLength/2),
		"64 KiB":           strings.Repeat("A", 64<<10),
		"no base64":        strings.Repeat("\x00", tokenLength),
		"standard base64":  base64.StdEncoding.EncodeToString([]byte(token)),
	}
	for name, text := range refused {
		if s, err := decodeSession(7, text); err == nil {
			t.Errorf("%s: taken as %+v", name, s)
		}
	}
	for i := range token {
		if changed := token[:i] + string(token[i]^1) + token[i+1:]; changed != token {
			if s, err := decodeSession(7, changed); err == nil {
				t.Errorf("%q for %q: taken as %+v", changed, token, s)
			}
		}
	}
}

// FuzzSessionToken checks that each session has one token and that no other text is valid.
func FuzzSessionToken(f *testing.F) {
	f.Add(int32(7), encodeSession(7, register.Session{ID: 1, Revision: 2}))
	f.Add(int32(7), "")
	f.Add(int32(7), strings.Repeat("A", tokenLength))
	f.Fuzz(func(t *testing.T, client int32, token string) {
		s, err := decodeSession(client, token)
		if err == nil && (encodeSession(client, s) != token || s.ID == 0 || s.Revision < 0) {
			t.Errorf("%q is taken as %+v", token, s)
		}
	})
}

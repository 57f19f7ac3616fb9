package bearer

import (
	"errors"
	"testing"
)

func TestOption(t *testing.T) {
	for target, local := range map[string]bool{
		"localhost:1": true, "LOCALHOST:1": true, "127.0.0.1:1": true, "[::1]:1": true, "unix:/run/parity": true, "dns:///localhost:1": true,
		"example.com:1": false, "10.0.0.1:1": false, "[2001:db8::1]:1": false, "dns:///example.com:1": false, "localhost": false,
		"localhost.example.com:1": false, "dns://127.0.0.1/example.com:1": false, "127.0.0.1.example.com:1": false,
	} {
		for _, hasTLS := range []bool{false, true} {
			_, err := Option("secret", target, hasTLS)
			if want := local || hasTLS; (err == nil) != want || err != nil && !errors.Is(err, ErrPlaintext) {
				t.Errorf("Option for %s, TLS %v: %v; want accepted: %v", target, hasTLS, err, want)
			}
		}
	}
	for _, token := range []string{"two words", "line\n", "\x00", "ü"} {
		if _, err := Option(token, "localhost:1", true); err == nil {
			t.Errorf("Option accepts the token %q", token)
		}
	}
}

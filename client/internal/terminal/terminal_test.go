package terminal

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestError(t *testing.T) {
	refused := status.Error(codes.NotFound, "no \x1b[31mfile")
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{refused, `no \x1b[31mfile (NotFound)`},
		{fmt.Errorf("getting %q: %w; sorry", "x", refused), `getting "x": no \x1b[31mfile (NotFound); sorry`},
	} {
		if got := Error(c.err); got != c.want {
			t.Errorf("Error(%q) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"report 2.pdf":         "report 2.pdf",
		`C:\new "x"`:           `C:\new "x"`,
		"Füße 足":               "Füße 足",
		"a\x1b[2Jb":            `a\x1b[2Jb`,
		"two\nlines\r":         `two\nlines\r`,
		"\u009b31m":            `\u009b31m`,
		"\u202egpj.exe":        `\u202egpj.exe`,
		"not \xff UTF-8":       `not \xff UTF-8`,
		"\U000e0041 invisible": `\U000e0041 invisible`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEscapeJSON(t *testing.T) {
	const name = "a\x1b\u009b\x7f\u202e\U000e0041 é \\ \""
	text, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	got := EscapeJSON(string(text))
	if Escape(got) != got {
		t.Errorf("EscapeJSON(%q) = %q, which still hides something", text, got)
	}
	var back string
	if err := json.Unmarshal([]byte(got), &back); err != nil || back != name {
		t.Errorf("EscapeJSON(%q) = %q, which reads %q (%v)", text, got, back, err)
	}
}

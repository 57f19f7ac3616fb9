package app

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestServedNames asks for names that are not served through every door.
func TestServedNames(t *testing.T) {
	r := start(t, "--allow=**/*.txt", "--exclude=private/**")
	for _, name := range []string{"a.txt", "sub/b.txt", ".env.txt", ".ssh/key.txt", "a.pdf", "private/c.txt"} {
		r.write(t, name, []byte(name))
	}
	for door, d := range r.doors(t) {
		for _, name := range []string{"a.txt", "sub/b.txt"} {
			if got, err := d.get(t.Context(), name); err != nil || string(got) != name {
				t.Errorf("%s: get(%q) = %q, %v", door, name, got, err)
			}
		}
		for _, name := range []string{".env.txt", ".ssh/key.txt", "a.pdf", "private/c.txt"} {
			if _, err := d.get(t.Context(), name); !errors.Is(err, errNotFound) {
				t.Errorf("%s: get(%q): %v, want not found", door, name, err)
			}
		}
		if names, err := d.list(t.Context()); err != nil || !slices.Equal(names, []string{"a.txt", "sub/b.txt"}) {
			t.Errorf("%s: list = %q, %v", door, names, err)
		}
	}
	line := ""
	for said := range strings.Lines(r.stderr.String()) {
		if strings.Contains(said, `msg="serving files"`) {
			line = said
		}
	}
	for _, want := range []string{"directory=" + r.dir, "dotfiles=false", "allow=**/*.txt", "exclude=private/**", "server.log", "numbers.db"} {
		if !strings.Contains(line, want) {
			t.Errorf("the line at the start is %q, want %q in it", line, want)
		}
	}
}

func TestServeDotfiles(t *testing.T) {
	r := start(t, "--hidden")
	r.write(t, ".env", []byte("x"))
	if _, err := r.doors(t)["grpc"].get(t.Context(), ".env"); err != nil {
		t.Errorf("with --hidden: %v", err)
	}
}

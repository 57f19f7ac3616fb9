package register

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct{ spec, want string }{
		{"memory:", ""},
		{"sqlite:numbers.db", ""},
		{"sqlite:/var/lib/parity/numbers.db", ""},
		{"bolt:numbers.db", "use sqlite:numbers.db"},
		{"redis://localhost:6379/3", ""},
		{"redis://user:pass@localhost", ""},
		{"rediss://localhost:6380?skip_verify=true", ""},
		{"", `"" is no store`},
		{"numbers.db", `"numbers.db" is no store`},
		{"sqlite:", "the path of the file is missing"},
		{"memory:x", "nothing may follow"},
		{"redis:localhost", `"redis:localhost" is no store`},
		{"redis://localhost/three", "invalid database number"},
		{"redis://localhost?pol_size=3", "unexpected option"},
		{"redis://user:s3cret@localhost/three", "invalid database number"},
		{"redis://user:s3c/ret@localhost", "percent-encoded"},
	} {
		err := Validate(test.spec)
		switch {
		case (err == nil) != (test.want == ""), err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("Validate(%q) = %v, want %q", test.spec, err, test.want)
		case err != nil && strings.Contains(err.Error(), "s3c"):
			t.Errorf("Validate(%q) tells the password: %v", test.spec, err)
		}
		if err != nil {
			if s, openErr := Open(context.Background(), test.spec, slog.Default()); s != nil || openErr == nil {
				t.Errorf("Open(%q) = %v, %v, want an error", test.spec, s, openErr)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	path := t.TempDir() + "/numbers.db"
	for _, spec := range []string{"memory:", "sqlite:" + path} {
		s, err := Open(t.Context(), spec, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		register(t, s, 7, at(0))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	want := []string{path, path + "-wal", path + "-shm", path + "-journal"}
	if got := OwnFiles("sqlite:" + path); !slices.Equal(got, want) {
		t.Errorf("OwnFiles = %q, want %q", got, want)
	}
	if got := OwnFiles("redis://localhost"); got != nil {
		t.Errorf("OwnFiles = %q, want none", got)
	}
	if s, err := Open(t.Context(), "sqlite:"+t.TempDir(), slog.Default()); s != nil || err == nil {
		t.Errorf("Open of a directory = %v, %v, want nil and an error", s, err)
	}
}

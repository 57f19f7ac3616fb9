package shellwords

import (
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string]struct {
		words []string
		skip  int
	}{
		``:                              {[]string{""}, 0},
		`client `:                       {[]string{"client", ""}, 0},
		`client  get a`:                 {[]string{"client", "get", "a"}, 0},
		`client get blue\ fi`:           {[]string{"client", "get", "blue fi"}, 0},
		`client get 'blue fi`:           {[]string{"client", "get", "blue fi"}, 0},
		`client get "a\"b\c$d`:          {[]string{"client", "get", `a"b\c$d`}, 0},
		`client get 'a'"b"c\'`:          {[]string{"client", "get", "abc'"}, 0},
		`client get ''`:                 {[]string{"client", "get", ""}, 0},
		`client get '' `:                {[]string{"client", "get", "", ""}, 0},
		`client --addr=localhost:1 get`: {[]string{"client", "--addr=localhost:1", "get"}, 0},
		`client --addr=localhost:1`:     {[]string{"client", "--addr=localhost:1"}, len("--addr=localhost:")},
		`client --addr=`:                {[]string{"client", "--addr="}, len("--addr=")},
		`client get 'a:b`:               {[]string{"client", "get", "a:b"}, 0},
		`client get a\:b`:               {[]string{"client", "get", "a:b"}, 0},
		`client get größe:日`:            {[]string{"client", "get", "größe:日"}, len("größe:")},
		`ls; client get x`:              {[]string{"client", "get", "x"}, 0},
		`ls | (client get 'a;b`:         {[]string{"client", "get", "a;b"}, 0},
		`client get \`:                  {[]string{"client", "get", ""}, 0},
	} {
		if words, skip := Split(line, " :="); !slices.Equal(words, want.words) || skip != want.skip {
			t.Errorf("Split(%s) = %q, %d, want %q, %d", line, words, skip, want.words, want.skip)
		}
	}
	if _, skip := Split("client a:b", " "); skip != 0 {
		t.Errorf("skip is %d where : is no word break", skip)
	}
}

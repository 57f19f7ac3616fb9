package glob

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, prefix string
		match, not      []string
	}{
		{"", "", []string{"a", "a/b"}, nil},
		{"a", "a", []string{"a"}, []string{"A", "ab", "a/b", ""}},
		{"*.pdf", "", []string{"x.pdf", ".pdf", "é.pdf"}, []string{"a/x.pdf", "x.pdfx"}},
		{"**/*.pdf", "", []string{"x.pdf", "a/b/x.pdf"}, []string{"a/x.png"}},
		{"**", "", []string{"a", "a/b/c"}, nil},
		{"photos/", "photos/", []string{"photos/a", "photos/a/b"}, []string{"photos", "photosx/a"}},
		{"photos/**", "photos/", []string{"photos/a", "photos/a/b"}, []string{"photos", "photosx/a"}},
		{"photos/*", "photos/", []string{"photos/a"}, []string{"photos/a/b", "photos"}},
		{"photos/2019-??.*", "photos/2019-", []string{"photos/2019-01.jpg"}, []string{"photos/2019-1.jpg"}},
		{"a/**/x", "a/", []string{"a/x", "a/b/c/x"}, []string{"x", "ax"}},
		{"[ab]c", "", []string{"ac", "bc"}, []string{"cc"}},
		{"x[^a]", "x", []string{"xb"}, []string{"xa"}},
		{"a/{b,c/d}", "a/", []string{"a/b", "a/c/d"}, []string{"a/c"}},
		{`a\*b`, "a*b", []string{"a*b"}, []string{"axb"}},
		{`\[a]*`, "[a]", []string{"[a]x"}, []string{"a"}},
		{"blue fish.txt", "blue fish.txt", []string{"blue fish.txt"}, nil},
	} {
		p, err := Parse(c.pattern)
		if err != nil || p.Prefix() != c.prefix {
			t.Errorf("Parse(%q) has prefix %q, %v, want %q", c.pattern, p.Prefix(), err, c.prefix)
			continue
		}
		for _, name := range c.match {
			if !p.Match(name) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range c.not {
			if p.Match(name) {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	for _, bad := range []string{"[", "a{b", `a\`, "\xff*", "a[]"} {
		if p, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v", bad, p)
		}
	}
	if Is("a b.txt") || !Is("*.txt") || !Is("a[1]") {
		t.Error("Is is wrong")
	}
}

// TestPrefixLength: a server refuses prefixes that are longer than names.
func TestPrefixLength(t *testing.T) {
	p, err := Parse(strings.Repeat("a", 1023) + "é*")
	if err != nil || p.Prefix() != strings.Repeat("a", 1023) {
		t.Errorf("a prefix of %d bytes, %v", len(p.Prefix()), err)
	}
}

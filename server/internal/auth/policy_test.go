package auth

import (
	"fmt"
	"strings"
	"testing"
)

const example = `
# A comment.
[[caller]]
name = "reports"
token_sha256 = ["` + helloHash + `"]
certificates = ["reports.example.com", "spiffe://example.com/reports"]
roles = ["numbers", "files"]
files_prefix = "public/"

[[caller]]
name = "operator"
certificates = ["operator.example.com"]
roles = ["admin"]

[legacy]
roles = ["numbers"]
`

// helloHash is the SHA-256 of "hello".
const helloHash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func TestParse(t *testing.T) {
	p, err := Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	if Hash("hello") != helloHash {
		t.Errorf("Hash = %s", Hash("hello"))
	}
	for token, want := range map[string]string{"hello": "reports", "Hello": "", "": "", helloHash: "", strings.Repeat("x", MaxToken+1): ""} {
		if got := p.ByToken(token); (got == nil) != (want == "") || got != nil && got.Name != want {
			t.Errorf("ByToken(%.20q) = %v, want %q", token, got, want)
		}
	}
	for name, want := range map[string]string{"reports.example.com": "reports", "operator.example.com": "operator", "example.com": "", "": ""} {
		if got := p.ByCertificate([]string{"other", name}); (got == nil) != (want == "") || got != nil && got.Name != want {
			t.Errorf("ByCertificate(%q) = %v, want %q", name, got, want)
		}
	}
	c := p.ByToken("hello")
	if !c.Has(Numbers) || !c.Has(Files) || c.Has(Admin) || c.FilesPrefix != "public/" {
		t.Errorf("reports = %+v", c)
	}
	if !p.legacy.Has(Numbers) || p.legacy.Has(Files) {
		t.Errorf("legacy = %+v", p.legacy)
	}
	if p, err := Parse(""); err != nil || !p.legacy.Has(Numbers) || !p.legacy.Has(Files) || p.legacy.Has(Admin) {
		t.Errorf("without a section legacy = %+v, %v", p, err)
	}
}

// TestParseMistakes: each mistake is an error that names it, because a policy that is
// partly understood would permit too much.
func TestParseMistakes(t *testing.T) {
	caller := func(lines string) string {
		return "[[caller]]\nname = \"a\"\ncertificates = [\"a\"]\nroles = [\"files\"]\n" + lines
	}
	var many strings.Builder
	many.WriteString("[[caller]]\nname = \"a\"\nroles = []\ntoken_sha256 = [")
	for i := range maxTokens + 1 {
		fmt.Fprintf(&many, "\"%064x\",\n", i)
	}
	many.WriteString("]")
	for text, want := range map[string]string{
		"[[caller]":                          "toml",
		"callers = []":                       "callers",
		caller("role = \"admin\""):           "role",
		caller("[legacy]\nrolls = []"):       "rolls",
		"[[caller]]\nroles = [\"files\"]":    "no name",
		"[[caller]]\nname = \"legacy\"":      "twice",
		caller("") + caller(""):              "twice",
		"[[caller]]\nname = \"a\"":           "token_sha256 or certificates",
		caller("token_sha256 = [\"abc\"]"):   "SHA-256",
		caller("token_sha256 = [\"hello\"]"): "SHA-256",
		caller("token_sha256 = [\"" + helloHash + "\", \"" + strings.ToUpper(helloHash) + "\"]"): "twice",
		"[[caller]]\nname=\"a\"\ncertificates=[\"a\",\"a\"]\nroles=[]":                           "certificates",
		"[[caller]]\nname=\"a\"\ncertificates=[\"\"]\nroles=[]":                                  "certificates",
		"[[caller]]\nname=\"a\"\ncertificates=[\"a\"]\nroles=[\"root\"]":                         "root",
		"[[caller]]\nname=\"a\"\ncertificates=[\"a\"]\nroles=[\"numbers\"]\nfiles_prefix=\"x\"":  "files_prefix",
		caller("files_prefix = \"" + strings.Repeat("x", 1025) + "\""):                           "files_prefix",
		"[legacy]\nroles = [\"admin\"]":                                                          "admin",
		many.String():                                                                            "1000 tokens",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.80q) = %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("[legacy]")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Parse(text); err == nil && p.legacy.Has(Admin) {
			t.Errorf("Parse(%q) makes old programs administrators", text)
		}
	})
}

func BenchmarkByToken(b *testing.B) {
	for _, n := range []int{1, 100, maxTokens} {
		var text strings.Builder
		text.WriteString("[[caller]]\nname = \"a\"\nroles = []\ntoken_sha256 = [\"" + helloHash + "\",")
		for i := range n - 1 {
			fmt.Fprintf(&text, "\"%064x\",\n", i)
		}
		text.WriteString("]")
		p, err := Parse(text.String())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p.ByToken("hello") == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

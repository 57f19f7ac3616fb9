// Package auth decides who may call what. A Policy is read from a file; an Auth follows the
// file and has the interceptors that apply it, whichever door a call comes through.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// Role is what a caller may do.
type Role string

// Roles.
const (
	Numbers Role = "numbers" // draw and count
	Files   Role = "files"   // list, describe and fetch files
	Admin   Role = "admin"   // see the register, use reflection, and the admin address off loopback
)

var roles = []Role{Numbers, Files, Admin}

const (
	// MaxFile is the maximum size of the file in bytes: it is read every second.
	MaxFile = 1 << 20
	// maxTokens is the maximum number of tokens: each call compares its own with all.
	maxTokens = 1000
	// MaxToken is the maximum length of a token in bytes, well below that of all headers
	// of a call.
	MaxToken = 4 << 10
	// maxPrefix is the maximum length of a prefix: that of a file name.
	maxPrefix = 1024
)

// Grant is what somebody may do.
type Grant struct {
	Roles []Role
	// FilesPrefix is the beginning of the names of all files that Files allows.
	FilesPrefix string
}

// Has reports whether a grant includes a role.
func (g Grant) Has(r Role) bool { return slices.Contains(g.Roles, r) }

// Caller is somebody who can prove a name.
type Caller struct {
	Name string
	Grant
}

// Policy says who may call what. It never changes.
type Policy struct {
	tokens       []tokenEntry
	certificates map[string]*Caller
	legacy       Caller
}

type tokenEntry struct {
	hash   [sha256.Size]byte
	caller *Caller
}

// LegacyName is the name of all callers of the original protocols, which prove nothing.
const LegacyName = "legacy"

// file is the syntax of the file.
type file struct {
	Caller []fileCaller `toml:"caller"`
	Legacy *fileGrant   `toml:"legacy"`
}

type fileCaller struct {
	Name         string   `toml:"name"`
	TokenSHA256  []string `toml:"token_sha256"`
	Certificates []string `toml:"certificates"`
	fileGrant
}

type fileGrant struct {
	Roles       []Role `toml:"roles"`
	FilesPrefix string `toml:"files_prefix"`
}

// Parse reads a policy from the text of its file. An unknown key is an error: it may be a
// mistyped restriction.
func Parse(text string) (*Policy, error) {
	var f file
	meta, err := toml.Decode(text, &f)
	if err != nil {
		return nil, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown key %q", unknown[0].String())
	}
	p := &Policy{
		certificates: map[string]*Caller{},
		legacy:       Caller{LegacyName, Grant{Roles: []Role{Numbers, Files}}},
	}
	names := map[string]bool{LegacyName: true}
	for i, c := range f.Caller {
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("caller %d has no name", i+1)
		case names[c.Name]:
			return nil, fmt.Errorf("caller %q is there twice", c.Name)
		}
		names[c.Name] = true
		if err := p.add(c); err != nil {
			return nil, fmt.Errorf("caller %q: %w", c.Name, err)
		}
	}
	if f.Legacy != nil {
		if p.legacy.Grant, err = f.Legacy.grant(); err == nil && p.legacy.Has(Admin) {
			err = errors.New("cannot have the role admin")
		}
		if err != nil {
			return nil, fmt.Errorf("legacy: %w", err)
		}
	}
	return p, nil
}

func (p *Policy) add(c fileCaller) error {
	grant, err := c.grant()
	if err != nil {
		return err
	}
	caller := &Caller{c.Name, grant}
	if len(c.TokenSHA256)+len(c.Certificates) == 0 {
		return errors.New("needs token_sha256 or certificates")
	}
	for _, text := range c.TokenSHA256 {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("token_sha256: %.80q is not a SHA-256 in hexadecimal", text)
		}
		entry := tokenEntry{[sha256.Size]byte(sum), caller}
		if p.find(entry.hash) != nil {
			return fmt.Errorf("token_sha256: %q is there twice", text)
		}
		if p.tokens = append(p.tokens, entry); len(p.tokens) > maxTokens {
			return fmt.Errorf("token_sha256: there are more than %d tokens", maxTokens)
		}
	}
	for _, name := range c.Certificates {
		if name == "" || p.certificates[name] != nil {
			return fmt.Errorf("certificates: %q is empty or there twice", name)
		}
		p.certificates[name] = caller
	}
	return nil
}

func (g fileGrant) grant() (Grant, error) {
	for _, r := range g.Roles {
		if !slices.Contains(roles, r) {
			return Grant{}, fmt.Errorf("roles: %.80q is none of %q", string(r), roles)
		}
	}
	switch prefix := g.FilesPrefix; {
	case prefix != "" && !slices.Contains(g.Roles, Files):
		return Grant{}, errors.New("files_prefix: needs the role files")
	case len(prefix) > maxPrefix || !utf8.ValidString(prefix) || strings.Contains(prefix, "\x00"):
		return Grant{}, fmt.Errorf("files_prefix: must be at most %d bytes of UTF-8 without NUL", maxPrefix)
	}
	return Grant(g), nil
}

// find returns the caller whose token has that hash, or nil. It takes the same time for
// every hash.
func (p *Policy) find(hash [sha256.Size]byte) (found *Caller) {
	for i := range p.tokens {
		if subtle.ConstantTimeCompare(p.tokens[i].hash[:], hash[:]) == 1 {
			found = p.tokens[i].caller
		}
	}
	return found
}

// ByToken returns the caller with that token, or nil.
func (p *Policy) ByToken(token string) *Caller {
	if token == "" || len(token) > MaxToken {
		return nil
	}
	return p.find(sha256.Sum256([]byte(token)))
}

// ByCertificate returns the caller with one of the names of a certificate, or nil.
func (p *Policy) ByCertificate(names []string) *Caller {
	for _, name := range names {
		if c := p.certificates[name]; c != nil {
			return c
		}
	}
	return nil
}

// Hash returns the hash of a token as the file has it.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"example.com/parity/server/internal/auth"
)

// hashTokenCommand makes an entry of the file of --auth. The file has only the hash of a
// token, so that reading it is not enough to call.
type hashTokenCommand struct {
	Name        string   `required:"" placeholder:"NAME" help:"Name of the caller, for logs."`
	Roles       []string `default:"numbers,files" placeholder:"ROLE,…" help:"Roles: numbers, files, admin (${default})."`
	FilesPrefix string   `placeholder:"PREFIX" help:"Beginning of the names of all files that the caller may use (all files)."`
	TokenFile   string   `placeholder:"FILE" help:"File with the token on one line; - is standard input (a new token, which is printed on standard error)."`
}

// tokenBytes is the length of a new token before it is encoded: it cannot be guessed.
const tokenBytes = 32

// minToken is the minimum length of a given token in bytes. A hash without salt protects
// only tokens that cannot be tried one by one.
const minToken = 16

// AfterApply implements command.
func (c *hashTokenCommand) AfterApply() error {
	_, err := auth.Parse(c.entry(auth.Hash("")))
	return err
}

// entry returns the entry with that hash.
func (c *hashTokenCommand) entry(hash string) string {
	type caller struct {
		Name        string   `toml:"name"`
		TokenSHA256 []string `toml:"token_sha256"`
		Roles       []string `toml:"roles"`
		FilesPrefix string   `toml:"files_prefix,omitempty"`
	}
	var text bytes.Buffer
	encoder := toml.NewEncoder(&text)
	encoder.Indent = ""
	// It fails only for types that TOML does not have.
	_ = encoder.Encode(map[string][]caller{"caller": {{c.Name, []string{hash}, c.Roles, c.FilesPrefix}}})
	return text.String()
}

// Run implements command.
func (c *hashTokenCommand) Run(_ context.Context, to streams) error {
	token, err := c.token()
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	if c.TokenFile == "" {
		fmt.Fprintln(to.err, "token:", token)
	}
	_, err = io.WriteString(to.out, c.entry(auth.Hash(token)))
	return err
}

// token returns the token of the file, or a new one.
func (c *hashTokenCommand) token() (string, error) {
	if c.TokenFile == "" {
		random := make([]byte, tokenBytes)
		rand.Read(random) // never fails
		return base64.RawURLEncoding.EncodeToString(random), nil
	}
	in := os.Stdin
	if c.TokenFile != "-" {
		var err error
		if in, err = os.Open(c.TokenFile); err != nil {
			return "", err
		}
		defer in.Close()
	}
	text, err := io.ReadAll(io.LimitReader(in, auth.MaxToken+2))
	if err != nil {
		return "", err
	}
	token := strings.TrimRight(string(text), "\r\n")
	switch {
	case len(token) < minToken:
		return "", fmt.Errorf("the token has %d bytes, needs at least %d", len(token), minToken)
	case len(token) > auth.MaxToken:
		return "", fmt.Errorf("the token has more than %d bytes", auth.MaxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the token must be printable ASCII without spaces: it is sent in a header")
	}
	return token, nil
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"example.com/parity/server/internal/apierror"
)

// Auth applies the policy in a file, which it follows. Calls that have begun go on under the
// policy of their beginning. It is safe for concurrent use.
type Auth struct {
	path string
	log  *slog.Logger
	// certificate returns the names in the verified certificate of a call's peer.
	certificate func(context.Context) []string

	policy atomic.Pointer[Policy]

	mu   sync.Mutex // serialises Reload, and guards the fields below
	text string     // of the file, when it was last read
	err  string     // why it could not be read
}

// Options configure an Auth.
type Options struct {
	Log *slog.Logger
	// Certificate returns the names in the verified certificate of a call's peer.
	Certificate func(context.Context) []string
}

// Open reads the policy in the file at path.
func Open(path string, o Options) (*Auth, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	policy, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	a := &Auth{path: path, log: o.Log, certificate: o.Certificate, text: text}
	a.policy.Store(policy)
	return a, nil
}

// read reads a file of bounded size.
func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(text) > MaxFile {
		err = fmt.Errorf("%q is larger than %d bytes", path, MaxFile)
	}
	return string(text), err
}

// Reload reads the file if it has changed. A file with a mistake leaves the last policy in
// use, which is logged once.
func (a *Auth) Reload() {
	a.mu.Lock()
	defer a.mu.Unlock()
	text, err := read(a.path)
	if err != nil {
		if a.err != err.Error() {
			a.log.Warn("--auth cannot be read: the last policy stays in use", "cause", err)
		}
		a.err = err.Error()
		return
	}
	a.err = ""
	if text == a.text {
		return
	}
	a.text = text
	policy, err := Parse(text)
	if err != nil {
		a.log.Warn("--auth has a mistake: the last policy stays in use", "file", a.path, "cause", err)
		return
	}
	a.policy.Store(policy)
	a.log.Info("--auth reloaded", "callers", len(policy.certificates)+len(policy.tokens))
}

// The errors of callers who may not call. None says what would be permitted.
var (
	errNoCredentials = apierror.New(codes.Unauthenticated, "CREDENTIALS_REQUIRED", "a token or a client certificate is required")
	errBadToken      = apierror.New(codes.Unauthenticated, "INVALID_TOKEN", "the token is not known")
	errCertificate   = apierror.New(codes.Unauthenticated, "UNKNOWN_CERTIFICATE", "the client certificate is not known")
	errRole          = apierror.New(codes.PermissionDenied, "ROLE_REQUIRED", "the caller does not have the role that this call needs")
	errFile          = apierror.New(codes.PermissionDenied, "FILE_NOT_PERMITTED", "the caller may not use files of this name")
)

// errNotAdmin is why CheckAdmin refuses a token.
var errNotAdmin = errors.New("a token of a caller with the role admin is required")

// CheckAdmin returns an error unless the token is that of a caller with the role Admin.
func (a *Auth) CheckAdmin(token string) error {
	if c := a.policy.Load().ByToken(token); c == nil || !c.Has(Admin) {
		return errNotAdmin
	}
	return nil
}

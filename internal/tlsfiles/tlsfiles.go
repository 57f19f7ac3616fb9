// Package tlsfiles makes TLS configurations from the PEM files that flags name, and
// follows the files while the program runs. The server, the gateway and the client share
// it.
package tlsfiles

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Versions are the values of a flag for the oldest version of TLS that is spoken.
var Versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// File is a file and the flag that names it, for error messages. An empty path means
// that there is none.
type File struct{ Flag, Path string }

// Files are the files of one side of a connection.
type Files struct {
	Cert, Key File   // this side's certificate chain and private key; both or none
	CA        File   // the authorities that certify the other side
	Min       string // the oldest version of TLS, of Versions; "": 1.3
}

// Server returns the configuration of a server. It has a certificate. If there are
// authorities, clients must have a certificate of theirs.
func (f Files) Server() (*tls.Config, error) { return configOf(f.load(server)) }

// Client returns the configuration of a client. Without authorities it trusts those of
// the system.
func (f Files) Client() (*tls.Config, error) { return configOf(f.load(client)) }

func configOf(l *loaded, err error) (*tls.Config, error) {
	if err != nil {
		return nil, err
	}
	return l.config, nil
}

// side is the side of a connection that a configuration is for.
type side int

const (
	server side = iota
	client
)

// loaded is what one state of the files says.
type loaded struct {
	config  *tls.Config
	expires time.Time // the first certificate of the chain to expire; zero: there is none
	sum     [sha256.Size]byte
}

// contents are the contents of the files.
type contents struct{ cert, key, ca []byte }

// load reads the files and makes a configuration.
func (f Files) load(of side) (*loaded, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	return f.make(of, c)
}

// read reads the files.
func (f Files) read() (contents, error) {
	var c contents
	for _, r := range []struct {
		file File
		to   *[]byte
	}{{f.Cert, &c.cert}, {f.Key, &c.key}, {f.CA, &c.ca}} {
		if r.file.Path == "" {
			continue
		}
		var err error
		if *r.to, err = os.ReadFile(r.file.Path); err != nil {
			return contents{}, fmt.Errorf("%s: %w", r.file.Flag, err)
		}
	}
	return c, nil
}

// sum identifies the contents.
func (c contents) sum() [sha256.Size]byte {
	var all []byte
	for _, b := range [][]byte{c.cert, c.key, c.ca} {
		one := sha256.Sum256(b)
		all = append(all, one[:]...)
	}
	return sha256.Sum256(all)
}

// make makes a configuration from the contents of the files.
func (f Files) make(of side, c contents) (*loaded, error) {
	l := &loaded{config: &tls.Config{MinVersion: tls.VersionTLS13}, sum: c.sum()}
	if f.Min != "" {
		l.config.MinVersion = Versions[f.Min]
	}
	if f.Cert.Path != "" {
		pair, err := tls.X509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", f.Cert.Flag, f.Key.Flag, err)
		}
		l.config.Certificates = []tls.Certificate{pair}
		if l.expires, err = expiry(pair); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Cert.Flag, err)
		}
	}
	if f.CA.Path == "" {
		return l, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.ca) {
		return nil, fmt.Errorf("%s: %w in %q", f.CA.Flag, errNoCertificate, f.CA.Path)
	}
	if of == client {
		l.config.RootCAs = pool
	} else {
		l.config.ClientCAs, l.config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return l, nil
}

var errNoCertificate = errors.New("no certificate")

// expiry returns when the first certificate of a chain expires: from then on peers refuse
// the chain.
func expiry(pair tls.Certificate) (first time.Time, err error) {
	for _, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return time.Time{}, err
		}
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first, nil
}

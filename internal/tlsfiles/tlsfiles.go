// Package tlsfiles makes TLS configurations from the PEM files that flags name. The
// server, the gateway and the client share it.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// minVersion is the oldest version of TLS that is spoken.
const minVersion = tls.VersionTLS12

// File is a file and the flag that names it, for error messages. An empty path means
// that there is none.
type File struct{ Flag, Path string }

// Files are the files of one side of a connection.
type Files struct {
	Cert, Key File // this side's certificate chain and private key; both or none
	CA        File // the authorities that certify the other side
}

// Server returns the configuration of a server. It has a certificate. If there are
// authorities, clients must have a certificate of theirs.
func (f Files) Server() (*tls.Config, error) {
	config, err := f.config()
	if err != nil {
		return nil, err
	}
	if f.CA.Path != "" {
		if config.ClientCAs, err = f.CA.authorities(); err != nil {
			return nil, err
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// Client returns the configuration of a client. Without authorities it trusts those of
// the system.
func (f Files) Client() (*tls.Config, error) {
	config, err := f.config()
	if err != nil {
		return nil, err
	}
	if f.CA.Path != "" {
		if config.RootCAs, err = f.CA.authorities(); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// config returns what both sides have in common.
func (f Files) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: minVersion}
	if f.Cert.Path == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(f.Cert.Path, f.Key.Path)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", f.Cert.Flag, f.Key.Flag, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func (f File) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %w in %q", f.Flag, errNoCertificate, f.Path)
	}
	return pool, nil
}

var errNoCertificate = errors.New("no certificate")

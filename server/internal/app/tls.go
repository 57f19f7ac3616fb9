package app

import (
	"crypto/tls"

	"example.com/parity/internal/tlsfiles"
)

// loadTLS returns the TLS configuration of the gRPC door.
func (c *serveCommand) loadTLS() (*tls.Config, error) {
	return tlsfiles.Files{
		Cert: tlsfiles.File{Flag: "--tls-cert", Path: c.TLSCert},
		Key:  tlsfiles.File{Flag: "--tls-key", Path: c.TLSKey},
		CA:   tlsfiles.File{Flag: "--tls-client-ca", Path: c.TLSClientCA},
	}.Server()
}

// loadTLS returns the TLS configuration of calls to the upstream.
func (c *gatewayCommand) loadTLS() (*tls.Config, error) {
	return tlsfiles.Files{
		Cert: tlsfiles.File{Flag: "--upstream-cert", Path: c.UpstreamCert},
		Key:  tlsfiles.File{Flag: "--upstream-key", Path: c.UpstreamKey},
		CA:   tlsfiles.File{Flag: "--upstream-ca", Path: c.UpstreamCA},
	}.Client()
}

package app

import (
	"log/slog"

	"example.com/parity/internal/tlsfiles"
)

// openTLS loads the TLS of the doors. It returns nil if there is none.
func (f *commonFlags) openTLS(log *slog.Logger) (*tlsfiles.Live, error) {
	if !f.hasTLS() {
		return nil, nil
	}
	return tlsfiles.Files{
		Cert: tlsfiles.File{Flag: "--tls-cert", Path: f.TLSCert},
		Key:  tlsfiles.File{Flag: "--tls-key", Path: f.TLSKey},
		CA:   tlsfiles.File{Flag: "--tls-client-ca", Path: f.TLSClientCA},
		Min:  f.TLSMin,
	}.LiveServer(log)
}

// openUpstreamTLS loads the TLS of calls to the upstream. It returns nil if there is none.
func (c *gatewayCommand) openUpstreamTLS(log *slog.Logger) (*tlsfiles.Live, error) {
	if !c.hasUpstreamTLS() {
		return nil, nil
	}
	return tlsfiles.Files{
		Cert: tlsfiles.File{Flag: "--upstream-cert", Path: c.UpstreamCert},
		Key:  tlsfiles.File{Flag: "--upstream-key", Path: c.UpstreamKey},
		CA:   tlsfiles.File{Flag: "--upstream-ca", Path: c.UpstreamCA},
		Min:  c.TLSMin,
	}.LiveClient(log)
}

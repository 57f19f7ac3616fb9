package app

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"
)

// commonFlags are the flags of both commands.
type commonFlags struct {
	Admin        string        `default:"localhost:9090" placeholder:"ADDRESS" help:"Address for metrics, health and profiles over HTTP (${default}; empty: off)."`
	Insecure     bool          `help:"Serve gRPC without TLS, and metrics, health and profiles, on addresses other than loopback."`
	DrainTimeout time.Duration `default:"10s" placeholder:"DURATION" help:"How long open calls may continue after SIGINT or SIGTERM (${default})."`

	TLSCert     string `name:"tls-cert" placeholder:"FILE" help:"Certificate chain of this server, PEM. The files of TLS are loaded again when they change."`
	TLSKey      string `name:"tls-key" placeholder:"FILE" help:"Its private key, PEM."`
	TLSClientCA string `name:"tls-client-ca" placeholder:"FILE" help:"Require clients to have a certificate of these authorities, PEM."`
	TLSMin      string `name:"tls-min" default:"1.3" enum:"1.2,1.3" placeholder:"1.2|1.3" help:"The oldest version of TLS that is spoken (${default})."`

	Legacy                      string         `default:"localhost:2004" placeholder:"ADDRESS" help:"Address for both original TCP protocols (${default}; empty: off)."`
	LegacyFiles                 string         `placeholder:"ADDRESS" help:"Address for the original file protocol alone (off)."`
	LegacyTLS                   string         `name:"legacy-tls" placeholder:"ADDRESS" help:"Address for both original protocols over TLS (off)."`
	LegacyAllow                 []netip.Prefix `placeholder:"CIDR" help:"Accept the original protocols only from this range; may be repeated (all)."`
	LegacyConnections           int            `default:"16384" placeholder:"N" help:"Maximum open connections of the original protocols (${default})."`
	LegacyConnectionsPerAddress int            `default:"12288" placeholder:"N" help:"Maximum of them from one address, or one IPv6 network of 64 bits (${default})."`
	LegacyNotFound              string         `default:"File not found" placeholder:"TEXT" help:"Answer of the original file protocol for a file that does not exist (${default})."`
	LegacyBareReplies           bool           `help:"Send numbers without the space after them, byte for byte as the original server did."`

	TrustedNetworks []netip.Prefix `placeholder:"CIDR" help:"A network whose addresses each stand for many clients, such as a NAT or a proxy: no limit on connections per address; may be repeated (none)."`
	ReportRate      int            `default:"1000" placeholder:"N" help:"Maximum values a second from one counting session (${default})."`
}

// maxReportRate is a value a microsecond: more than one session can send.
const maxReportRate = 1_000_000

// check returns the first mistake in the flags.
func (f *commonFlags) check() error {
	if f.Admin != "" {
		loopback, err := isLoopback(f.Admin)
		switch {
		case err != nil:
			return fmt.Errorf("--admin: %w", err)
		case !loopback && f.adminConsent() != nil:
			return fmt.Errorf("--admin: %s can be reached from other machines: %w", f.Admin, f.adminConsent())
		}
	}
	switch {
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key: set both or none")
	case f.TLSClientCA != "" && !f.hasTLS():
		return errors.New("--tls-client-ca: needs --tls-cert and --tls-key")
	case f.LegacyTLS != "" && !f.hasTLS():
		return errors.New("--legacy-tls: needs --tls-cert and --tls-key")
	}
	if f.LegacyNotFound == "" {
		return errors.New("--legacy-not-found: must not be empty: clients would take it for an empty file")
	}
	if f.DrainTimeout < 0 {
		return fmt.Errorf("--drain-timeout: must not be negative, is %s", f.DrainTimeout)
	}
	return checkBounds(
		bound{"--legacy-connections", int64(f.LegacyConnections), 1, math.MaxInt32},
		bound{"--legacy-connections-per-address", int64(f.LegacyConnectionsPerAddress), 1, math.MaxInt32},
		bound{"--report-rate", int64(f.ReportRate), 1, maxReportRate},
	)
}

// adminConsent returns why --admin must not be reachable from other machines, or nil.
func (f *commonFlags) adminConsent() error {
	if f.Insecure {
		return nil
	}
	return errors.New("it has no TLS: set --insecure")
}

func (f *commonFlags) hasTLS() bool { return f.TLSCert != "" }

// bound is the range of a number that a flag sets.
type bound struct {
	flag               string
	value, least, most int64
}

// checkBounds returns an error for the first value outside its range.
func checkBounds(bounds ...bound) error {
	for _, b := range bounds {
		switch {
		case b.value < b.least && b.least == 0:
			return fmt.Errorf("%s: must not be negative, is %d", b.flag, b.value)
		case b.value < b.least || b.value > b.most:
			return fmt.Errorf("%s: must be %d to %d, is %d", b.flag, b.least, b.most, b.value)
		}
	}
	return nil
}

// isLoopback reports whether only this machine can reach a listener at address.
func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	if strings.EqualFold(host, "localhost") {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback(), nil
}

package legacytcp

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	filesv1 "example.com/parity/gen/parity/files/v1"
	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// DefaultNotFound is the original server's answer to a request for a missing file.
const DefaultNotFound = "File not found"

// Config configures a Gateway. Only the two services are required.
type Config struct {
	// Numbers and Files are the services behind the gateway.
	Numbers numbersv1.NumberServiceClient
	Files   filesv1.FileServiceClient

	// Logger receives the reason of every close, and bad frames. Nil: none.
	Logger *slog.Logger
	// Metrics counts connections and bad frames. Nil: none.
	Metrics Metrics

	// Allow lists the networks from which clients may connect. IPv4 clients of an IPv6
	// socket are matched as IPv4. Empty: all.
	Allow []netip.Prefix
	// TrustedNetworks are networks such as NATs and proxies, whose addresses each stand
	// for many clients: MaxConnsPerAddress does not apply to them.
	TrustedNetworks []netip.Prefix
	// NotFound is the answer to a request for a file that does not exist.
	// Empty: DefaultNotFound.
	NotFound string
	// BareReplies leaves the sentinel off the replies of the number dialect,
	// byte for byte as the original server did. Default: false.
	BareReplies bool

	// Limits; a zero field means its default.
	Limits Limits
}

// Limits bounds what one client can take from the others. The limits of the protocols
// themselves, such as the length of a frame, are fixed.
type Limits struct {
	// MaxConns is the maximum of open connections of all listeners. The next one replaces
	// the one that has been silent longest; if all have sent something, it is closed at
	// once. Default: 16,384.
	MaxConns int
	// MaxConnsPerAddress is the same for the connections of one address, or one IPv6
	// network of 64 bits. Default: 12,288, three quarters of MaxConns: ten thousand
	// clients may be behind one NAT.
	MaxConnsPerAddress int
	// FirstByteTimeout is how long a client may take to send its first byte.
	// Default: 10 s.
	FirstByteTimeout time.Duration
	// IdleTimeout is how long a client of the number dialect may send nothing.
	// Default: 5 min, many times the original's 500 ms between reports.
	IdleTimeout time.Duration
	// ReportRate is the maximum of values of a session that are reported in a second,
	// after a burst of as many. Beyond it newer values replace older ones. Default: 1,000;
	// original clients report two.
	ReportRate int
	// WriteTimeout is how long a write may make no progress.
	// Default: 30 s.
	WriteTimeout time.Duration
	// Quiet is the time without input after which a request without a terminator is
	// complete. Default: 20 ms.
	Quiet time.Duration
	// UpstreamWait is how long a new connection waits for an UNAVAILABLE service.
	// Default: 5 s.
	UpstreamWait time.Duration
	// UpstreamRecovery is how long an open number session waits for it, and how long any
	// first response may take. Default: 30 s.
	UpstreamRecovery time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxConns:           cmp.Or(l.MaxConns, 16_384),
		MaxConnsPerAddress: cmp.Or(l.MaxConnsPerAddress, 12_288),
		ReportRate:         cmp.Or(l.ReportRate, 1_000),
		FirstByteTimeout:   cmp.Or(l.FirstByteTimeout, 10*time.Second),
		IdleTimeout:        cmp.Or(l.IdleTimeout, 5*time.Minute),
		WriteTimeout:       cmp.Or(l.WriteTimeout, 30*time.Second),
		Quiet:              cmp.Or(l.Quiet, 20*time.Millisecond),
		UpstreamWait:       cmp.Or(l.UpstreamWait, 5*time.Second),
		UpstreamRecovery:   cmp.Or(l.UpstreamRecovery, 30*time.Second),
	}
}

// Metrics receives events. Every accepted connection is one Opened and, later, one
// Closed, even if it is refused at once. The methods are called concurrently.
type Metrics interface {
	Opened()
	Closed(Reason)
	BadFrame()
	// Merged counts values that newer ones replaced.
	Merged(values int)
}

type noMetrics struct{}

func (noMetrics) Opened()       {}
func (noMetrics) Closed(Reason) {}
func (noMetrics) BadFrame()     {}
func (noMetrics) Merged(int)    {}
